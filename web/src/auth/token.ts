/**
 * Takes the token out of a mailed link. It stands behind the `#`, so that no server and no log ever sees it; here it goes
 * out of the address, so that it stays in no history.
 */
export function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  history.replaceState(null, "", location.pathname);
  return token;
}
