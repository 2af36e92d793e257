import type { ComponentChildren } from "preact";
import { Refusal } from "../api.ts";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";
import { Icon } from "./icon.tsx";

type FaultText = { readonly what: string; readonly why: string; readonly fix: string; readonly code?: string };

/** What went wrong, why, and what to do: the same three everywhere. */
export function Problem({ fault, onRetry }: { fault: FaultText; onRetry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <Icon name="cross" size={22} />
      <div>
        <p class="problem-what">
          {fault.what} {fault.code !== undefined && <code class="code">{fault.code}</code>}
        </p>
        {fault.why !== "" && <p>{fault.why}</p>}
        {fault.fix !== "" && (
          <p>
            <strong>{say(texts.whatToDo)}:</strong> {fault.fix}
          </p>
        )}
        {onRetry !== undefined && (
          <button type="button" class="button" onClick={onRetry}>
            {say(texts.retry)}
          </button>
        )}
      </div>
    </div>
  );
}

/** A refusal that is shown; anything else is a mistake of ours. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  throw error;
}

/** Nothing is there yet: says so, and what the next step is. */
export function Empty(props: { icon: string; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={props.icon} size={40} />
      </span>
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

export function Loading() {
  return (
    <p class="loading" role="status">
      {say(texts.loading)}
    </p>
  );
}

/** A command to be typed on the server. */
export function Command({ children }: { children: string }) {
  return <code class="command">{children}</code>;
}
