/** What the first page costs over the wire (brotli), against its budget; and what stands in each chunk. */
import { readFileSync, readdirSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";

const SCRIPT_BYTES_MAX = 90_000;
const STYLE_BYTES_MAX = 25_000;

const html = readFileSync("dist/index.html", "utf8");
if (/<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=/.test(html)) {
  console.error("the shell holds an inline script or style, which the content security policy forbids");
  process.exit(1);
}
const weigh = (name) => brotliCompressSync(readFileSync(`dist/assets/${name}`)).length;
const files = readdirSync("dist/assets").filter((name) => /\.(js|css)$/.test(name));
// The first page: what the shell names, and the home page's own chunk.
const isFirst = (name) => html.includes(name) || name.startsWith("home-");
const sum = (ending) => files.filter((name) => name.endsWith(ending) && isFirst(name)).reduce((total, name) => total + weigh(name), 0);
for (const name of files) console.log(`${String(weigh(name)).padStart(8)}  ${isFirst(name) ? "first " : "later "} ${name}`);
const [script, style] = [sum(".js"), sum(".css")];
console.log(`first page: ${script} of ${SCRIPT_BYTES_MAX} bytes of script, ${style} of ${STYLE_BYTES_MAX} bytes of style`);
if (script > SCRIPT_BYTES_MAX || style > STYLE_BYTES_MAX) process.exit(1);
