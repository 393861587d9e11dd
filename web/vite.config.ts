import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` sends what the page asks for: the gateway that `make up` prints.
const gateway = process.env.GATEWAY_URL ?? "http://localhost:8080";

// The gateway's routes, which are no files of the page: those that its description lists, and the description itself.
const description = JSON.parse(readFileSync(new URL("../docs/openapi.json", import.meta.url), "utf8"));
const routes = Object.keys(description.paths)
  .map((path) => path.replaceAll(/\{\w+\}/g, "[^/]+"))
  .concat("/docs(/.*)?", "/openapi.json")
  .map((path) => `${path}(\\?.*)?`);

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // The policy allows files of our own only: nothing is written into the document or a style sheet.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { [`^(${routes.join("|")})$`]: { target: gateway, bypass: servePages } },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

// `/verify` is a page to a browser that goes there and a route to the page that posts to it.
function servePages(request: { method?: string; headers: { accept?: string } }): string | undefined {
  return request.method === "GET" && request.headers.accept?.includes("text/html") ? "/index.html" : undefined;
}
