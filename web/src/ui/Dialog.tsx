import { type ReactNode, useId, useLayoutEffect, useRef } from "react";
import "./Dialog.css";

interface DialogProps {
  title: string;
  children: ReactNode;
  onClose: () => void;
}

/** A question in front of the page. The browser's own dialog keeps the focus inside, closes with Escape and gives the focus back. */
export function Dialog({ title, children, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  // Before it is taken out of the page: closed then, it gives the focus back to where it was.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps extends DialogProps {
  /** What the button says that does it. */
  action: string;
  onConfirm: () => void;
  isBusy?: boolean;
}

export function Confirm({ action, onConfirm, isBusy = false, children, ...rest }: ConfirmProps) {
  return (
    <Dialog {...rest}>
      {children}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={rest.onClose}>
          Keep it
        </button>
        <button type="button" className="button button-danger" onClick={onConfirm} disabled={isBusy}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
