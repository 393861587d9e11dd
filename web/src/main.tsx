import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Problem } from "./api/problem";
import { startSession } from "./auth/session";
import "./ui/tokens.css";
import "./ui/base.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The stream of events tells what changes.
      refetchOnWindowFocus: false,
      // What was refused will be refused again; what did not arrive may arrive.
      retry: (count, error) => count < 3 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
});

startSession();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
