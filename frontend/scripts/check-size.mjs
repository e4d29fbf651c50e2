// What the browser loads before each page can be used, gzipped: no page may need more than the limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 180_000;
const folder = new URL("../../app/web/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", folder), "utf8"));
const ENTRY = "index.html";

const needed = (key, seen = new Set()) => {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) needed(next, seen);
  return seen;
};
const gzipped = (key) => gzipSync(readFileSync(new URL(manifest[key].file, folder)), { level: 9 }).length;

let failed = false;
for (const page of Object.keys(manifest).filter((key) => /Page\.tsx$/.test(key))) {
  const chunks = new Set([...needed(ENTRY), ...needed(page)]);
  const bytes = [...chunks].reduce((sum, key) => sum + gzipped(key), 0);
  failed ||= bytes > LIMIT;
  process.stdout.write(`${(bytes / 1000).toFixed(1).padStart(7)} kB of JavaScript, gzipped: ${page}\n`);
}
if (failed) {
  process.stderr.write(`A page needs more than ${LIMIT / 1000} kB: split it.\n`);
  process.exit(1);
}
