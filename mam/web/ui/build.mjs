// Bundles the pages into ../dist: files named by what is in them, compressed, and a manifest of what each page loads.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const PAGES = { app: "src/app.ts", embed: "src/embed.ts", player: "src/player/page.ts" };
const OUT = "../dist.new";
const { version } = JSON.parse(await readFile("node_modules/hls.js/package.json", "utf8"));
const WORKER = `hls.worker-${version}.js`; // it is hls.js's own file, and must be of the same version
const COMPRESSED = /\.(js|css|svg)$/;

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
const { metafile } = await build({
  entryPoints: { ...PAGES, styles: "src/styles.css" },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  minify: true,
  legalComments: "none",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  define: { HLS_WORKER: JSON.stringify(`/static/${WORKER}`) },
  metafile: true,
  logLevel: "warning",
});

const outputs = Object.fromEntries(Object.entries(metafile.outputs).map(([path, about]) => [basename(path), about]));
const made = (source) => Object.keys(outputs).find((name) => outputs[name].entryPoint === source);
// What the player imports while its playlist is on its way: loaded at once where there is a player on the page.
const WITH_PLAYLIST = ["src/player/chrome.ts", "src/player/streaming.ts"];
const preloads = (name, eager, seen = new Set()) => {
  for (const { path, kind } of outputs[name].imports) {
    const file = basename(path);
    const isWanted = kind === "import-statement" || (eager && WITH_PLAYLIST.includes(outputs[file]?.entryPoint));
    if (isWanted && !seen.has(file)) preloads(file, eager, seen.add(file));
  }
  return [...seen];
};
const styles = made("src/styles.css");
const manifest = Object.fromEntries(
  Object.entries(PAGES).map(([page, source]) => {
    const script = made(source);
    return [page, { script, styles: [styles], preloads: preloads(script, page !== "app") }];
  }),
);

await copyFile("src/icon.svg", `${OUT}/icon.svg`);
await copyFile("node_modules/hls.js/dist/hls.worker.js", `${OUT}/${WORKER}`);
for (const name of [...Object.keys(outputs), "icon.svg", WORKER].filter((name) => COMPRESSED.test(name))) {
  const data = await readFile(`${OUT}/${name}`);
  const options = { params: { [constants.BROTLI_PARAM_SIZE_HINT]: data.length } };
  await writeFile(`${OUT}/${name}.br`, brotliCompressSync(data, options));
  await writeFile(`${OUT}/${name}.gz`, gzipSync(data, { level: 9 }));
}
await writeFile(`${OUT}/manifest.json`, JSON.stringify(manifest, null, 1));
// Whole or not at all: whoever serves the pages meanwhile has the earlier ones.
await rm("../dist", { recursive: true, force: true });
await rename(OUT, "../dist");
