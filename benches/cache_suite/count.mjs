// Counts what a run of the suite passed: count.mjs FOLDER-OF-THE-PACKAGE RESULTS.
import { readFileSync } from "node:fs";

const [folder, ours] = process.argv.slice(2);
const load = async (path) => (await import(`${folder}/${path}`)).default;
const suites = [...(await load("tests/index.mjs")), await load("tests/surrogate-control.mjs")];
const tests = [...new Set(suites)].flatMap((suite) =>
  suite.tests.filter((test) => !test.browser_only).map((test) => ({ kind: "required", ...test })),
);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const passed = (results, kind) => tests.filter((test) => test.kind === kind && results[test.id] === true).length;
const all = (kind) => tests.filter((test) => test.kind === kind).length;
const results = new Map([["ours", read(ours)]]);
for (const name of ["nginx", "varnish", "squid", "trafficserver", "apache", "fastly"]) {
  results.set(name, read(`${folder}/results/${name}.json`));
}
console.log("| | required | optimal |");
console.log("|---|---|---|");
console.log(`| all | ${all("required")} | ${all("optimal")} |`);
for (const [name, of] of results) {
  console.log(`| ${name} | ${passed(of, "required")} | ${passed(of, "optimal")} |`);
}
console.log("\nNot passed by us:\n");
for (const kind of ["required", "optimal"]) {
  const missed = tests.filter((test) => test.kind === kind && results.get("ours")[test.id] !== true);
  console.log(`- ${kind}: ${missed.map((test) => test.id).join(", ")}`);
}
