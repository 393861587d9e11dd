import type { ReactNode } from "react";
import "./Notice.css";

/** A sentence that stands out. A bad one is read out at once. */
export function Notice({
  tone = "plain",
  children,
}: {
  tone?: "plain" | "good" | "bad" | "warn";
  children: ReactNode;
}) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "bad" ? "alert" : tone === "plain" ? undefined : "status"}>
      {children}
    </div>
  );
}
