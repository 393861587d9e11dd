import { type FormEvent, useState } from "react";
import { wordsFor } from "../api/problemWords";

/** A form's way to the service: busy while it is under way, and what went wrong in words. */
export function useSubmit(work: (form: FormData) => Promise<void>) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(undefined);
    try {
      await work(form);
    } catch (problem) {
      setError(wordsFor(problem));
    } finally {
      setBusy(false);
    }
  };
  return { submit, isBusy, error };
}

export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
