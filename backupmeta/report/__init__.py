"""What a report tells of the accounts in a catalog: dataclasses, which every format of it is made of."""
