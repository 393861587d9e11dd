import { useRef, useState } from "react";
import { Icon } from "./Icon";
import "./CopyText.css";

/** On the narrowest screens; wider ones have a line to spare. */
const CHARACTERS_IN_ROW = 34;

/** A text to be taken away, with the button that does it. It can be selected by hand too: not every browser gives pages the clipboard. */
export function CopyText({ text, label }: { text: string; label: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [isCopied, setCopied] = useState(false);
  return (
    <div className="copy-text">
      <textarea
        ref={field}
        readOnly
        value={text}
        aria-label={label}
        rows={Math.ceil(text.length / CHARACTERS_IN_ROW)}
        onFocus={(event) => event.target.select()}
      />
      <button
        type="button"
        className="button"
        onClick={async () => {
          setCopied(await copy(text));
          field.current?.select();
        }}
      >
        <Icon name={isCopied ? "check" : "copy"} />
        {isCopied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}

/** Whether the browser let us. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
