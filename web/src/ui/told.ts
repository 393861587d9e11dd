import { wordsFor } from "../api/problemWords";
import { toast } from "./toasts";

/** Waits for something that a person asked for, and says so if it did not work. Whether it did. */
export async function told(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    toast(wordsFor(error), "bad");
    return false;
  }
}
