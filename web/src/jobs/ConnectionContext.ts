import { createContext, useContext } from "react";
import type { Connection } from "./live";

/** Whether the stream of events flows; the shell holds it open on every page. */
export const ConnectionContext = createContext<Connection>("connecting");

export const useConnection = (): Connection => useContext(ConnectionContext);
