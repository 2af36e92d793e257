import { Head } from "../parts/head.tsx";
import { say } from "../preferences.ts";
import { Audit } from "../settings/audit.tsx";
import { Look } from "../settings/look.tsx";
import { MyPassword } from "../settings/my-password.tsx";
import { Notifications } from "../settings/notifications.tsx";
import { People } from "../settings/people.tsx";
import { Server } from "../settings/server.tsx";
import { Tokens } from "../settings/tokens.tsx";
import { isAdmin, me } from "../store.ts";
import { texts } from "../texts.ts";

export function SettingsPage() {
  return (
    <>
      <Head title={say(texts.settings)} />
      <div class="columns">
        <Look />
        {me.value?.kind === "user" && <MyPassword />}
      </div>
      {isAdmin.value && (
        <div class="columns">
          <People />
          <div class="stack">
            <Tokens />
            <Notifications />
          </div>
        </div>
      )}
      <Server />
      {isAdmin.value && <Audit />}
    </>
  );
}
