import type { UserBody } from "../../../api/access-schemas.ts";
import { optionsOf, SelectField } from "../parts/fields.tsx";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";

type Role = UserBody["role"];

export function RoleChoice({ role, onChange }: { role: Role; onChange: (role: Role) => void }) {
  return <SelectField name={say(texts.role)} value={role} options={roleOptions()} onChange={onChange} />;
}

/** Each role with what it is for. */
export function roleOptions(): [role: Role, words: string][] {
  return optionsOf(texts.roles).map(([role, words]) => [role, `${role}: ${words}`]);
}
