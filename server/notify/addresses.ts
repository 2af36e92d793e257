/** Whether this is a URL that a webhook can have: no name and password in it, and nothing else than HTTP. */
export function isWebhookAddress(text: string): boolean {
  if (text.length > 2000 || !URL.canParse(text)) return false;
  const { protocol, username, password, hostname } = new URL(text);
  return ["http:", "https:"].includes(protocol) && username + password === "" && hostname !== "";
}

/** Whether this is one plain mail address. A space, a line's end or a bracket would mean something to a mail server. */
export function isMailAddress(text: string): boolean {
  return text.length <= 254 && /^[^\s@<>()[\],;:\\"\p{Cc}]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*$/iu.test(text);
}
