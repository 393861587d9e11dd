import { Quotas } from "../ui/Quotas";
import { Section } from "./Section";

export function Usage() {
  return (
    <Section
      title="What you use"
      about="Delete what you don’t need any more to make room. A day begins at midnight UTC."
    >
      <Quotas path="/me/usage" />
    </Section>
  );
}
