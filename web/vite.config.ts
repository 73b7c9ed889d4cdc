import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const dist = join(import.meta.dirname, "dist");

// The server sends what was packed here; it packs nothing itself.
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(dist)) if (name !== ".gitkeep") rmSync(join(dist, name), { recursive: true });
    },
    closeBundle() {
      const files = [join(dist, "index.html"), ...readdirSync(join(dist, "assets")).map((name) => join(dist, "assets", name))];
      for (const file of files) {
        const plain = readFileSync(file);
        writeFileSync(`${file}.gz`, gzipSync(plain, { level: 9 }));
        writeFileSync(`${file}.br`, brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
    },
  };
}

const server = process.env["SENTINELL"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [packed()],
  build: { emptyOutDir: false, assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022" },
  preview: { proxy: { "/api": server, "/login": server, "/stream": { target: server, ws: true } } },
  server: { proxy: { "/api": server, "/login": server, "/stream": { target: server, ws: true } } },
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
} as import("vite").UserConfig);
