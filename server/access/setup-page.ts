/**
 * The page behind the link of `bootcast user link`: it asks for a password, once. It is whole in itself, so that it
 * works whatever becomes of the other pages.
 */
export const setupPage: string = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bootcast: choose a password</title>
<link rel="stylesheet" href="/setup.css">
<main>
<h1>bootcast</h1>
<form id="form">
<p>Choose the password with which you will log in. Several words that do not belong together are good.</p>
<label for="password">Password</label>
<input id="password" type="password" autocomplete="new-password" minlength="10" required autofocus>
<label for="again">Once more</label>
<input id="again" type="password" autocomplete="new-password" required>
<button>Set password</button>
</form>
<p id="message" role="status" aria-live="polite"></p>
<noscript>This page needs JavaScript. On the server: <code>bootcast user password NAME</code></noscript>
</main>
<script src="/setup.js"></script>
</html>
`;

export const setupScript: string = `"use strict";
const form = document.getElementById("form");
const message = document.getElementById("message");
const code = new URLSearchParams(location.search).get("once") ?? "";
// The code is not to stay in the history of the browser.
history.replaceState(null, "", "/setup");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = form.password.value;
  if (password !== form.again.value) return tell("The two are not the same.");
  tell("One moment …");
  try {
    const response = await fetch("/api/v1/setup", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code, password }),
    });
    const answer = await response.json();
    if (!response.ok) return tell(answer.what + " " + answer.why + " " + answer.fix);
    form.hidden = true;
    tell("Done: you are logged in as " + answer.name + ".");
    const home = await fetch("/", { method: "GET" });
    if (home.ok) location.replace("/");
  } catch {
    tell("The server does not answer. Try again.");
  }
});

function tell(text) {
  message.textContent = text;
}
`;

export const setupStyle: string = `:root { color-scheme: light dark; font: 1.125rem/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; min-height: 100vh; place-items: center; }
main { box-sizing: border-box; width: min(26rem, 100%); padding: 1.5rem; }
label { display: block; margin-top: 1rem; }
input, button { box-sizing: border-box; width: 100%; padding: 0.6rem; font: inherit; }
button { margin-top: 1.5rem; }
#message { min-height: 3rem; }
`;
