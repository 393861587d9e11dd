import type { Job } from "../api/types";
import { plural } from "../ui/format";
import { Icon } from "../ui/Icon";
import { failureWords } from "./failures";
import { titleOf } from "./words";
import "./NewsBell.css";

/** What has ended while nobody was looking. */
export function NewsBell({ news, onRead }: { news: Job[]; onRead: () => void }) {
  const label = news.length === 0 ? "News" : `News: ${plural(news.length, "file")} finished while you were away`;
  return (
    <>
      <button type="button" className="icon-button news-bell" aria-label={label} popoverTarget="news">
        <Icon name="bell" />
        {news.length > 0 && <span className="news-count">{news.length > 9 ? "9+" : news.length}</span>}
      </button>
      <section id="news" popover="auto" className="menu news" aria-label="News">
        <h2>While you were away</h2>
        {news.length === 0 ? (
          <p className="quiet">Nothing new. Files that finish while this page is closed are shown here.</p>
        ) : (
          <>
            <ul>
              {news.map((job) => (
                <li key={job.id}>
                  <strong>{titleOf(job)}</strong>
                  <span>{job.error ? failureWords(job.error.code, job.error.text).what : "is ready to play."}</span>
                </li>
              ))}
            </ul>
            <button type="button" className="button" popoverTarget="news" popoverTargetAction="hide" onClick={onRead}>
              Got it
            </button>
          </>
        )}
      </section>
    </>
  );
}
