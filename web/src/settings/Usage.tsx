import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import { wordsFor } from "../api/problemWords";
import type { QuotaReport } from "../api/types";
import { Notice } from "../ui/Notice";
import { Quotas } from "../ui/Quotas";
import { Section } from "./Section";

export function Usage() {
  const usage = useQuery({ queryKey: ["usage"], queryFn: () => call<QuotaReport>("/me/usage") });
  return (
    <Section
      title="What you use"
      about="Delete what you don’t need any more to make room. A day begins at midnight UTC."
    >
      {usage.isError && <Notice tone="bad">{wordsFor(usage.error)}</Notice>}
      {usage.data && <Quotas report={usage.data} />}
    </Section>
  );
}
