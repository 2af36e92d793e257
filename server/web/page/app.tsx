import { useEffect, useRef } from "preact/hooks";
import { DeployDialog } from "./deploy/deploy-dialog.tsx";
import { deployWish } from "./deploy/wish.ts";
import { HostPage } from "./pages/host.tsx";
import { ImagesPage } from "./pages/images.tsx";
import { LoginPage } from "./pages/login.tsx";
import { RepairsPage } from "./pages/repairs.tsx";
import { RoomPage } from "./pages/room.tsx";
import { SchedulePage } from "./pages/schedule.tsx";
import { SessionPage } from "./pages/session.tsx";
import { SessionsPage } from "./pages/sessions.tsx";
import { SettingsPage } from "./pages/settings.tsx";
import { Icon, Mark } from "./parts/icon.tsx";
import { Empty, Loading, Problem } from "./parts/notice.tsx";
import { as, say } from "./preferences.ts";
import { problemCount } from "./problems.ts";
import { hashOf, type Route } from "./route.ts";
import { connection, enter, logOut, lostAtMs, me, nowMs, route, sessions, startRefusal } from "./store.ts";
import type { Text } from "./texts/language.ts";
import { texts } from "./texts.ts";

/** Everything on the screen. */
export function App() {
  if (startRefusal.value !== undefined) {
    return (
      <main class="alone">
        <Problem fault={startRefusal.value} onRetry={() => void enter()} />
      </main>
    );
  }
  if (me.value === undefined) return <Loading />;
  if (me.value === null) return <LoginPage />;
  return (
    <div class="app">
      <button type="button" class="skip" onClick={skipToContent}>
        {say(texts.skip)}
      </button>
      <Navigation />
      <div class="main">
        <Connection />
        <Page route={route.value} />
      </div>
      {deployWish.value !== undefined && <DeployDialog wish={deployWish.value} />}
    </div>
  );
}

// The address behind "#" is ours: a link would lead to another page.
function skipToContent(): void {
  document.getElementById("content")?.focus();
}

const places: readonly { page: "room" | "sessions" | "images" | "schedule" | "repairs" | "settings"; text: Text }[] = [
  { page: "room", text: texts.room },
  { page: "sessions", text: texts.sessions },
  { page: "images", text: texts.images },
  { page: "schedule", text: texts.schedule },
  { page: "repairs", text: texts.repairs },
  { page: "settings", text: texts.settings },
];

function Navigation() {
  const here = pageOf(route.value);
  const running = (sessions.value.value ?? []).filter(({ state }) => state === "active").length;
  const badges: Partial<Record<string, number>> = { sessions: running, repairs: problemCount.value };
  return (
    <header class="rail">
      <a class="brand" href="#/" aria-label="bootcast">
        <Mark />
        <span class="brand-name">bootcast</span>
      </a>
      <nav aria-label={say(texts.menu)}>
        <ul>
          {places.map(({ page, text }) => (
            <li key={page}>
              <a href={hashOf({ page })} aria-current={here === page ? "page" : undefined}>
                <Icon name={page} size={22} />
                <span class="place">{say(text)}</span>
                {(badges[page] ?? 0) > 0 && (
                  <span class={page === "repairs" ? "badge badge-bad" : "badge"}>{badges[page]}</span>
                )}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="rail-foot">
        <a class="who" href="/help">
          <Icon name="help" />
          <span class="who-name">{say(texts.help)}</span>
        </a>
        <Live />
        <button type="button" class="who" onClick={() => void logOut()} title={say(texts.logOut)}>
          <Icon name="person" />
          <span class="who-name">{me.value?.name}</span>
          <span class="who-out">{say(texts.logOut)}</span>
        </button>
      </div>
    </header>
  );
}

function Live() {
  const word = { live: texts.live, connecting: texts.connecting, lost: texts.lost }[connection.value];
  return (
    <p class={`live live-${connection.value}`}>
      <span class="live-dot" />
      <span class="live-word">{say(word)}</span>
    </p>
  );
}

/** Stale numbers are said to be stale. */
function Connection() {
  const isLost = connection.value === "lost";
  return (
    <div role="status" class={isLost ? "lost" : "lost-not"}>
      {isLost && (
        <>
          <span class="spinner" />
          <span>
            <strong>{say(texts.lost)}</strong>{" "}
            {lostAtMs.value > 0 && say(texts.lostSince(as.time(lostAtMs.value, nowMs.value)))}
          </span>
        </>
      )}
    </div>
  );
}

function pageOf({ page }: Route): string {
  if (page === "host") return "room";
  return page === "session" ? "sessions" : page;
}

function Page({ route }: { route: Route }) {
  const content = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const key = hashOf(route);
  // Another page begins at its top, for eyes and for screen readers.
  useEffect(() => {
    if (!isFirst.current) {
      content.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [key]);
  return (
    <main id="content" ref={content} tabIndex={-1} key={key}>
      <Contents route={route} />
    </main>
  );
}

function Contents({ route }: { route: Route }) {
  switch (route.page) {
    case "room":
      return <RoomPage />;
    case "host":
      return <HostPage id={route.id} />;
    case "sessions":
      return <SessionsPage />;
    case "session":
      return <SessionPage id={route.id} />;
    case "images":
      return <ImagesPage />;
    case "schedule":
      return <SchedulePage />;
    case "repairs":
      return <RepairsPage />;
    case "settings":
      return <SettingsPage />;
    default:
      return (
        <Empty icon="search" title={say(texts.pageUnknown)}>
          <a class="button" href="#/">
            {say(texts.toRoom)}
          </a>
        </Empty>
      );
  }
}
