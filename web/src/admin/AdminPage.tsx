import { useFocusOnArrival } from "../ui/useFocusOnArrival";
import { Accounts } from "./Accounts";
import { Queues } from "./Queues";
import "./admin.css";

export default function AdminPage() {
  const heading = useFocusOnArrival<HTMLHeadingElement>("Admin");
  return (
    <main id="content" className="admin">
      <h1 ref={heading} tabIndex={-1}>
        Admin
      </h1>
      <Queues />
      <Accounts />
    </main>
  );
}
