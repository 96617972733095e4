package harden

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Item is one thing that makes a machine harder to misuse.
type Item struct {
	ID        string `json:"id"` // such as HD-SYS-001; never given to another item
	Title     string `json:"title"`
	Rationale string `json:"rationale"`
	Breaks    string `json:"breaks"` // what no longer works when it is applied

	keys   []string // kernel settings, as below /proc/sys
	value  string   // what they are set to
	accept []string // values that are as good
	files  func(h *Host) ([]target, error)
}

// target is a file as an item wants it.
type target struct {
	path    string
	content []byte // nil: only owner and mode count
	mode    os.FileMode
	drop    os.FileMode // bits that have to be off, where mode is 0
}

// Items are all items, in the order in which they are applied.
func Items() []Item {
	return append(settings(),
		Item{
			ID: "HD-FIL-001", Title: "Private keys of Redoubt are for root alone", Rationale: "Who reads a node's key is that node to all the others.",
			Breaks: "nothing: only the daemon reads them", files: func(h *Host) ([]target, error) {
				out := []target{}
				for _, pattern := range []string{"*.key", "*.pem", "log/*.key"} {
					paths, err := filepath.Glob(h.at(stateDir + "/" + pattern))
					if err != nil {
						return nil, err
					}
					for _, p := range paths {
						out = append(out, target{path: h.below(p), drop: 0o177})
					}
				}
				return out, nil
			},
		},
		Item{
			ID: "HD-FIL-002", Title: "The state of Redoubt is for root alone", Rationale: "The repository and the command log say what root does next, and what it has done.",
			Breaks: "nothing: others ask the daemon", files: func(*Host) ([]target, error) { return []target{{path: stateDir, drop: 0o077}}, nil },
		},
		Item{
			ID: "HD-FIL-003", Title: "Only root writes the configuration of Redoubt", Rationale: "It names programs that root runs.", Breaks: "users who edited it in place of root",
			files: func(h *Host) ([]target, error) {
				out := []target{}
				err := filepath.WalkDir(h.at("/etc/redoubt"), func(path string, d os.DirEntry, err error) error {
					if err == nil && d.Type()&os.ModeSymlink == 0 {
						out = append(out, target{path: h.below(path), drop: 0o022})
					}
					if os.IsNotExist(err) {
						return nil
					}
					return err
				})
				return out, err
			},
		},
		Item{
			ID: "HD-AUD-001", Title: "auditd records changes of Redoubt's files and who runs its commands", Rationale: "The command log records what went through the daemon; this records what went past it.",
			Breaks: "nothing; the audit log grows. The commands that methods and other services run are left out: only those of who has logged in are recorded. The rules are loaded at the next start of auditd, or by `augenrules --load`",
			files: func(h *Host) ([]target, error) {
				if _, err := os.Stat(h.at("/etc/audit/rules.d")); err != nil {
					return nil, nil // no auditd
				}
				return []target{{path: "/etc/audit/rules.d/60-redoubt.rules", content: h.auditRules(), mode: 0o640}}, nil
			},
		},
		Item{
			ID: "HD-UNT-001", Title: "No service of the cluster gains privileges, loads modules or sets the clock", Rationale: "Services inherit what the daemon's unit allows; a service that is taken over has the kernel in reach with less.",
			Breaks: "services that use sudo, su or mail programs with a set-user-ID bit, 32-bit programs, services that load kernel modules (so load those of file systems at the start of the machine) or set the clock. It counts from `systemctl daemon-reload` and a restart of redoubtd on, for services that are started after that",
			files: func(h *Host) ([]target, error) {
				for _, dir := range unitDirs {
					if _, err := os.Stat(h.at(dir + "/redoubtd.service")); err == nil {
						return []target{{path: daemonDropIn, content: []byte(daemonSandbox), mode: 0o644}}, nil
					}
				}
				return nil, nil // another way of starting it
			},
		},
	)
}

const stateDir = "/var/lib/redoubt"

// Where systemd finds units, and where an administrator adds to them.
var unitDirs = []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

const daemonDropIn = "/etc/systemd/system/redoubtd.service.d/60-redoubt-harden.conf"

// daemonSandbox is what the shipped unit leaves to services that need it. Nothing in it makes a mount namespace: a file system that a resource mounts is seen by the whole machine.
const daemonSandbox = `# Written by redoubt harden (HD-UNT-001); redoubt harden revert takes it away.
[Service]
NoNewPrivileges=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
KeyringMode=private
CapabilityBoundingSet=~CAP_SYS_MODULE CAP_SYS_TIME CAP_SYSLOG CAP_SYS_RAWIO
SystemCallFilter=~@clock @module @raw-io
`

// What auditd watches. All of it is root's.
var (
	auditKeys     = []string{"ca.key", "users.key", "node.pem", "secret.key", "join.key", "heartbeat.key", "log/commandlog.key"} // below stateDir
	auditPrograms = []string{"/usr/bin/redoubt", "/usr/bin/redoubtd", "/usr/bin/redoubt-guard"}                                  // the old names are links to the first
)

// auditRules writes the rules. A key that is not there yet is watched for when it comes; a folder has to be there, for auditctl stops at a rule that it can not load.
func (h *Host) auditRules() []byte {
	var b strings.Builder
	b.WriteString("# Written by redoubt harden (HD-AUD-001); redoubt harden revert takes it away.\n")
	there := func(path string) bool {
		_, err := os.Stat(h.at(path))
		return err == nil
	}
	watch := func(path, perm, key string) { fmt.Fprintf(&b, "-w %s -p %s -k redoubt-%s\n", path, perm, key) }
	for _, dir := range []struct{ path, key string }{{"/etc/redoubt/", "config"}, {"/usr/lib/redoubt/", "programs"}, {stateDir + "/log/", "log"}} {
		if there(dir.path) {
			watch(dir.path, "wa", dir.key)
		}
	}
	for _, k := range auditKeys {
		if path := stateDir + "/" + k; there(filepath.Dir(path)) {
			watch(path, "rwa", "keys")
		}
	}
	for _, p := range auditPrograms {
		watch(p, "wa", "programs")
		fmt.Fprintf(&b, "-a always,exit -F path=%s -F perm=x -F auid!=-1 -k redoubt-commands\n", p)
	}
	return []byte(b.String())
}

// both are the settings of a network protocol that count for every interface there is and for those to come.
func both(setting string, protocols ...string) []string {
	var out []string
	for _, p := range protocols {
		out = append(out, "net/"+p+"/conf/all/"+setting, "net/"+p+"/conf/default/"+setting)
	}
	return out
}

// settings are those of the kernel. None is among them that can not be taken back without a restart.
func settings() []Item {
	return []Item{
		{ID: "HD-SYS-001", Title: "Addresses of the kernel are shown to nobody", Rationale: "Who knows them needs one mistake less to take over the kernel.", Breaks: "profilers that resolve kernel addresses", keys: []string{"kernel/kptr_restrict"}, value: "2", accept: []string{"1"}},
		{ID: "HD-SYS-002", Title: "Only root reads the kernel's log", Rationale: "It tells addresses and what the hardware is.", Breaks: "dmesg for users", keys: []string{"kernel/dmesg_restrict"}, value: "1"},
		{ID: "HD-SYS-003", Title: "Only root loads BPF programs", Rationale: "The verifier of BPF has been a way to root more than once.", Breaks: "BPF programs of users", keys: []string{"kernel/unprivileged_bpf_disabled"}, value: "2", accept: []string{"1"}},
		{ID: "HD-SYS-004", Title: "Compiled BPF programs are blinded", Rationale: "Constants in them can otherwise be made into code.", Breaks: "a part of the speed of BPF programs", keys: []string{"net/core/bpf_jit_harden"}, value: "2"},
		{ID: "HD-SYS-005", Title: "A process is traced by its parent or root alone", Rationale: "One program of a user that is taken over reads the memory of all others of that user.", Breaks: "debuggers of users that attach to a running program", keys: []string{"kernel/yama/ptrace_scope"}, value: "1", accept: []string{"2", "3"}},
		{ID: "HD-SYS-006", Title: "Address spaces are laid out at random", Rationale: "Without it every mistake in a program is used with fixed addresses.", Breaks: "nothing", keys: []string{"kernel/randomize_va_space"}, value: "2"},
		{ID: "HD-SYS-007", Title: "Hard and symbolic links in folders like /tmp lead nobody astray", Rationale: "A program of root that writes to a name in /tmp would write where a user's link leads.", Breaks: "nothing that is known", keys: []string{"fs/protected_hardlinks", "fs/protected_symlinks"}, value: "1"},
		{ID: "HD-SYS-008", Title: "Files and pipes in folders like /tmp are opened for writing by their owners alone", Rationale: "A program of root that expects to make a file would write into a user's.", Breaks: "programs that share files of others in /tmp", keys: []string{"fs/protected_fifos", "fs/protected_regular"}, value: "2", accept: []string{"1"}},
		{ID: "HD-SYS-009", Title: "No core file is written of programs that change their user", Rationale: "What they read as root would stand in it.", Breaks: "core files of such programs", keys: []string{"fs/suid_dumpable"}, value: "0"},
		{ID: "HD-SYS-010", Title: "Core files are not written where a program happens to be", Rationale: "Passwords and keys of services would lie in files that nobody looks after.", Breaks: "core files, unless something takes them; set kernel.core_pattern to such a program instead, and this passes", keys: []string{"kernel/core_pattern"}, value: "|/bin/false", accept: []string{"|*"}},
		{ID: "HD-NET-001", Title: "Routes are not changed by messages from the network", Rationale: "Who sends a redirect sees the traffic.", Breaks: "networks that rely on redirects between their routers", keys: append(both("accept_redirects", "ipv4", "ipv6"), both("secure_redirects", "ipv4")...), value: "0"},
		{ID: "HD-NET-002", Title: "No redirects are sent", Rationale: "Only a router has a reason to.", Breaks: "a node that is a router for others on one network", keys: both("send_redirects", "ipv4"), value: "0"},
		{ID: "HD-NET-003", Title: "Packets that say their own way are dropped", Rationale: "They reach what no route leads to.", Breaks: "nothing that is used today", keys: both("accept_source_route", "ipv4", "ipv6"), value: "0", accept: []string{"-1"}},
		{ID: "HD-NET-004", Title: "Packets from addresses to which no route leads are dropped", Rationale: "Their senders are forged.", Breaks: "nothing: the loose form lets answers take another way, as interconnects and logical hostnames need", keys: both("rp_filter", "ipv4"), value: "2", accept: []string{"1"}},
		{ID: "HD-NET-005", Title: "A flood of half-open connections does not fill the queue", Rationale: "The API and services stay reachable.", Breaks: "nothing", keys: []string{"net/ipv4/tcp_syncookies"}, value: "1", accept: []string{"2"}},
		{ID: "HD-NET-006", Title: "Pings to everybody are not answered", Rationale: "The answers of a whole network make a flood.", Breaks: "finding hosts by broadcast ping", keys: []string{"net/ipv4/icmp_echo_ignore_broadcasts"}, value: "1"},
	}
}

// good reports whether a value is as good as the one that is wanted.
func (i Item) good(value string) bool {
	return value == i.value || slices.ContainsFunc(i.accept, func(a string) bool {
		prefix, open := strings.CutSuffix(a, "*")
		return value == a || open && strings.HasPrefix(value, prefix)
	})
}
