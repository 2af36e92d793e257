import type { UserBody } from "../../../api/access-schemas.ts";
import { say } from "../preferences.ts";
import { texts } from "../texts.ts";

type Role = UserBody["role"];

export function RoleChoice({ role, onChange }: { role: Role; onChange: (role: Role) => void }) {
  return (
    <label>
      <span>{say(texts.role)}</span>
      <select value={role} onChange={({ currentTarget }) => onChange(currentTarget.value as Role)}>
        {(Object.keys(texts.roles) as Role[]).map((one) => (
          <option key={one} value={one}>
            {one}: {say(texts.roles[one])}
          </option>
        ))}
      </select>
    </label>
  );
}
