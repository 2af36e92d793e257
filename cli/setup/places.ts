/** What `bootcast setup` makes on a system. */
export const CONFIG_FILE = "/etc/bootcast.toml";
export const UNIT_FILE = "/etc/systemd/system/bootcast.service";
export const SYSCTL_FILE = "/etc/sysctl.d/60-bootcast.conf";
export const SERVICE = "bootcast.service";
/** The user that runs the server, and that user's group. */
export const USER = "bootcast";
/** What systemd makes and gives to the user by itself. */
export const STATE_DIRECTORY = "/var/lib/bootcast";
/** Where systemd shows that it runs this system (sd_booted(3)). */
export const SYSTEMD_RUNS = "/run/systemd/system";
