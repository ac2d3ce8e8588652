<?php
/**
 * Plugin Name: Reading Shelf
 * Description: Keeps the café's shelf of books and who borrowed them, in tables of its own.
 * Version: 1.4.2
 * License: MIT
 */

register_activation_hook( __FILE__, 'reading_shelf_activate' );

/** Creates the tables, the view, and the first books. The child's name sorts before its parent's. */
function reading_shelf_activate() {
	reading_shelf_create();
	reading_shelf_fill();
}

function reading_shelf_create() {
	global $wpdb;
	$charset = $wpdb->get_charset_collate();
	$wpdb->query(
		"CREATE TABLE {$wpdb->prefix}shelf_volumes (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			title varchar(190) NOT NULL COMMENT 'as printed, it''s said',
			price decimal(7,2) NOT NULL,
			weight double DEFAULT NULL,
			cover blob DEFAULT NULL,
			added datetime NOT NULL,
			PRIMARY KEY (id),
			UNIQUE KEY title (title)
		) ENGINE=InnoDB $charset"
	);
	$wpdb->query(
		"CREATE TABLE {$wpdb->prefix}shelf_loans (
			volume_id bigint(20) unsigned NOT NULL,
			user_id bigint(20) unsigned NOT NULL,
			note text DEFAULT NULL,
			PRIMARY KEY (volume_id, user_id),
			CONSTRAINT {$wpdb->prefix}loan_volume FOREIGN KEY (volume_id)
				REFERENCES {$wpdb->prefix}shelf_volumes (id) ON DELETE CASCADE,
			CONSTRAINT {$wpdb->prefix}loan_user FOREIGN KEY (user_id) REFERENCES {$wpdb->users} (ID)
		) ENGINE=InnoDB $charset"
	);
	$wpdb->query(
		"CREATE VIEW {$wpdb->prefix}shelf_borrowed AS
			SELECT volume.title, reader.display_name, loan.note
			FROM {$wpdb->prefix}shelf_loans AS loan
			JOIN {$wpdb->prefix}shelf_volumes AS volume ON volume.id = loan.volume_id
			JOIN {$wpdb->users} AS reader ON reader.ID = loan.user_id"
	);
}

/** A NULL, a negative number, an exponent, and a cover that holds every byte there is. */
function reading_shelf_fill() {
	global $wpdb;
	$table = "{$wpdb->prefix}shelf_volumes";
	$wpdb->insert( $table, array( 'title' => 'Der Prozeß', 'price' => '-12.50', 'weight' => 0.1, 'added' => '2023-02-01 10:00:00' ) );
	$first = $wpdb->insert_id;
	$wpdb->insert( $table, array( 'title' => 'Q.E.D.; or: "50 %"', 'price' => '7.00', 'weight' => 1.5e-30, 'added' => '2023-02-02 10:00:00' ) );
	$wpdb->insert( $table, array( 'title' => '坊っちゃん', 'price' => '9.99', 'weight' => null, 'added' => '2023-02-03 10:00:00' ) );
	$bytes = bin2hex( implode( array_map( 'chr', range( 0, 255 ) ) ) );
	$wpdb->query( "UPDATE $table SET cover = 0x$bytes WHERE id = $first" );
	$loan = array( 'volume_id' => $first, 'user_id' => 1, 'note' => "back by \\Friday\\,\r\nplease;\n-- the 'shelf' 📚" );
	$wpdb->insert( "{$wpdb->prefix}shelf_loans", $loan );
}
