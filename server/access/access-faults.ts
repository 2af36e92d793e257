import { Fault } from "../../fault.ts";
import type { LeastRole, Role } from "./roles.ts";

/** Why somebody is not let in. */

export function loginNeeded(why: string): Fault {
  return new Fault("LOGIN_NEEDED", {
    what: "The server does not know who asks.",
    why,
    fix: 'Log in, or send a token: "bootcast token add NAME" on the server makes one.',
  });
}

export function roleTooLow(least: LeastRole, has: Role, name: string): Fault {
  return new Fault("ROLE_TOO_LOW", {
    what: "You may not do this.",
    why: `It needs the role ${least}, and ${name} has ${has}.`,
    fix: `Ask an admin, or "bootcast user role" on the server changes it.`,
  });
}

export function requestForged(why: string): Fault {
  return new Fault("REQUEST_FORGED", {
    what: "The request was not made by bootcast's own page.",
    why,
    fix: "Reload the page and try again. Programs send a token instead of a cookie.",
  });
}

export function loginWrong(): Fault {
  return new Fault("LOGIN_WRONG", {
    what: "You were not logged in.",
    why: "There is no user with this name and this password.",
    fix: 'Type them again. On the server "sudo bootcast user link NAME" makes a link to choose a new password.',
  });
}

export function loginThrottled(waitMs: number): Fault {
  return new Fault("LOGIN_THROTTLED", {
    what: `Wait ${Math.ceil(waitMs / 1000)} s before the next try.`,
    why: "There were too many wrong passwords.",
    fix: 'Wait, then type it once more. On the server "sudo bootcast user link NAME" makes a link to choose a new one.',
  });
}

export function linkWrong(): Fault {
  return new Fault("LINK_WRONG", {
    what: "This link cannot be used.",
    why: "It was used already, a newer one was made, or it was not copied whole.",
    fix: 'Make a new one on the server: "sudo bootcast user link".',
  });
}

export function userUnknown(name: string): Fault {
  return new Fault("USER_UNKNOWN", {
    what: `There is no user ${name}.`,
    why: "Nobody with this name was added, or they were removed.",
    fix: '"bootcast user list" shows all.',
  });
}

export function lastAdmin(name: string): Fault {
  return new Fault("ADMIN_NEEDED", {
    what: `${name} stays an admin.`,
    why: "There is no other admin who has a password.",
    fix: 'Make another one first: "bootcast user add NAME --role admin".',
  });
}
