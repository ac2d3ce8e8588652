// Validate JSON by ajv in its strict mode: node scripts/ajv.mjs PACKAGES SCHEMAS
//
// PACKAGES is where `npm install --prefix PACKAGES ajv@8 ajv-draft-04@1 ajv-formats@3` has put ajv, SCHEMAS what
// `backupmeta schema --all -o SCHEMAS` has written, or a folder with another NAME.schema.json. Each line of standard input is
// an array: a schema's name, then what should be valid by it (nothing, to only compile it). Each is answered by a line:
// an array of what is wrong, as sentences.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const [packages, schemas] = process.argv.slice(2);
const required = createRequire(resolve(packages, "package.json"));
const { default: addFormats } = required("ajv-formats");

const dialects = new Map([
    ["https://json-schema.org/draft/2020-12/schema", dialect("ajv/dist/2020", true)], // ours
    ["http://json-schema.org/draft-04/schema#", dialect("ajv-draft-04", false)], // SARIF's: names what it did not declare
]);
const validators = new Map();

function dialect(name, strictRequired) {
    const { default: Ajv } = required(name);
    const ajv = new Ajv({ strict: true, strictRequired, allErrors: true });
    addFormats(ajv);
    return ajv;
}

function validator(name) {
    if (!validators.has(name)) {
        const schema = JSON.parse(readFileSync(resolve(schemas, `${name}.schema.json`), "utf8"));
        validators.set(name, dialects.get(schema.$schema).compile(schema));
    }
    return validators.get(name);
}

function mistakes(line) {
    try {
        const [name, ...answers] = JSON.parse(line);
        const validate = validator(name);
        return answers.flatMap((answer) =>
            validate(answer) ? [] : validate.errors.map((error) => `${error.instancePath}: ${error.message}`),
        );
    } catch (error) {
        return [String(error)];
    }
}

for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(mistakes(line)));
}
