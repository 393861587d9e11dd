import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` sends what the page asks for: the gateway that `make up` prints.
const gateway = process.env.GATEWAY_URL ?? "http://localhost:8080";

// What is the gateway's and not a file of the page.
const routes =
  "^/(register|verify/resend|login|logout|token|password|sessions|me|keys|oidc|jobs|uploads|upload|download|d|archives|docs|openapi.json|admin/)";

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
    proxy: Object.fromEntries(
      [
        [routes, gateway],
        ["^/(verify|reset)$", gateway],
      ].map(([path, target]) => [path, { target, bypass: servePages }]),
    ),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

// `/verify` is a page to a browser that goes there and a route to the page that posts to it.
function servePages(request: { method?: string; headers: { accept?: string } }): string | undefined {
  return request.method === "GET" && request.headers.accept?.includes("text/html") ? "/index.html" : undefined;
}
