// Prints the report of the Khronos glTF validator (npm: gltf-validator) on each file that is named, a line of JSON each.
const fs = require("fs");
const validator = require("gltf-validator");

(async () => {
  for (const path of process.argv.slice(2)) {
    const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)));
    console.log(JSON.stringify(report));
  }
})();
