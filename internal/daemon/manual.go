package daemon

import (
	"fmt"
	"strings"
)

// program is the description of redoubtd or of one of its sub-programs, from which its help and its man page are made.
type program struct {
	name    string // "" is the daemon itself
	does    string // one line
	calls   []string
	text    []string // paragraphs
	flags   [][2]string
	lists   []section
	example string
}

// section is a part of a man page: terms with their explanations.
type section struct {
	title string
	terms [][2]string
}

var configFlag = [2]string{"-config FILE", "the node's configuration; " + DefaultConfigPath + " if not given, and that one need not exist"}

var signalSection = section{"SIGNALS", [][2]string{
	{"TERM", "ends the daemon and leaves the services running for the next one, which has 15 seconds to come"},
	{"INT", "stops every service of this node first and leaves the membership"},
	{"HUP", "opens the log file anew"},
}}

// configSection has every key of Config.
var configSection = section{"CONFIGURATION", [][2]string{
	{"node", "the node's name; the host's name up to the first dot if not given"},
	{"host", "how administrators reach this node; the host's name if not given"},
	{"dataDir", "certificates, keys and the copy of the repository; /var/lib/redoubt"},
	{"runDir", "the socket of the API and what ends with the machine's uptime; /run/redoubt"},
	{"logDir", "the log; /var/log/redoubt"},
	{"etcDir", "resource types of this site, secrets of fence agents; /etc/redoubt"},
	{"typeDirs", "the directories in which resource types are looked for; types in etcDir, and /usr/lib/redoubt/types"},
	{"cgroup", "the cgroup below which the services run; redoubt where cgroup2 is mounted"},
	{"listen.api", "address and port of the API for other machines; :7401"},
	{"log.level", "debug, info, warn or error; info"},
	{"log.syslog", "true: to the local syslog too"},
	{"metrics", "address and port on which /metrics and /healthz are served to everybody on this machine, in plain HTTP, such as 127.0.0.1:7410; only a loopback address is taken; off if not given"},
	{"watchdog", "the device of the hardware watchdog; none: it is not used; /dev/watchdog where there is one"},
	{"onUnkillable", "what the guard does when a process survives SIGKILL: report, watchdog (stop feeding it) or reboot; watchdog"},
	{"methods", "how many callback methods run at the same time, so that a storm of starts leaves time for everything else; what stops does not wait for what starts; 8 for each processor, at least 16"},
	{"quorumServer", "true: this node votes and runs nothing, as redoubtd quorum-server does"},
}}

// programs are redoubtd and its sub-programs.
func programs() []program {
	return []program{
		{
			name: "", does: "the daemon of a cluster node",
			calls: []string{"redoubtd [-config FILE]", "redoubtd quorum-server [-config FILE]", "redoubtd restore -from SNAPSHOT [-copy COPY]... [-config FILE]", "redoubtd version"},
			text: []string{
				"redoubtd runs on every node of a cluster: it keeps the configuration, knows who is in the cluster, and starts, watches and stops the services of its node. It is told what to do with redoubt(8), on its socket. " +
					"A machine becomes a node with redoubt cluster create or redoubt node join.",
				"Beside it runs its guard, which ends the services of the node when the cluster may start them elsewhere; see redoubtd-guard(8). Only one daemon runs on a node: a second one is refused at once and disturbs nothing.",
			},
			flags:   [][2]string{configFlag},
			lists:   []section{signalSection, configSection, {"EXIT STATUS", [][2]string{{"0", "it was told to end"}, {"1", "it failed; standard error and the log say why"}, {"2", "it was called wrongly"}}}},
			example: "redoubtd -config /etc/redoubt/redoubtd.yaml",
		},
		{
			name: "quorum-server", does: "a vote without services",
			calls: []string{"redoubtd quorum-server [-config FILE]"},
			text: []string{
				"A quorum server votes and runs no services. It is the third vote of a cluster of two nodes: with it, the one that is left when the other is lost still has a majority.",
				"The machine is let in with redoubt quorum add on a node of the cluster, and joins with redoubt node join, as a node does. It has an address on every interconnect, or on none: then the nodes and it reach each other over the network over which it reached its sponsor. The key quorumServer: true in the configuration is the same as this word.",
			},
			flags: [][2]string{configFlag}, lists: []section{signalSection}, example: "redoubtd quorum-server",
		},
		{
			name: "restore", does: "make the repository of a new cluster life from a snapshot",
			calls: []string{"redoubtd restore -from SNAPSHOT [-copy COPY]... [-config FILE]"},
			text: []string{
				"When most of the voters are lost for good, restore makes this node the only voter of its cluster again, with the configuration of a snapshot that redoubt cluster snapshot made. " +
					"The daemon has to be stopped here, and the lost voters have to stay off: they are removed, and join anew.",
				"What was in the place of the repository is set aside, and put back when the restore fails.",
				"What was revoked after the snapshot was taken stays revoked, and an authority that was exchanged stays exchanged, as far as this node's own copy knew of it and those that -copy names. Name the copies of all nodes that are left, and newer snapshots. " +
					"A copy is believed, so it comes from a node that was not removed. The restore says what it can not know.",
			},
			flags: [][2]string{
				{"-from SNAPSHOT", "the snapshot"},
				{"-copy COPY", "another copy of the repository: a snapshot, the directory repository of another node whose daemon has stopped, or a directory with that and its revoked.crl in it; may be given several times"}, configFlag,
			}, example: "redoubtd restore -from /var/backups/redoubt.db",
		},
		{
			name: "guard", does: "end the services of a node in time",
			calls: []string{"redoubt-guard", "redoubtd guard"},
			text: []string{
				"The daemon starts the guard; nobody else does. It is told until when the services may run, and needs nothing else: no network, no disk, no daemon. When that time passes, or the daemon dies, it removes the addresses, kills every process of the services " +
					"and unmounts their file systems, and tells the others that it has.",
				"It is the program redoubt-guard, beside redoubtd: small, for all of it is locked in memory. The daemon opens it once, at its start. When it is missing, when others than root may have written it, or when it is of another version than the daemon, " +
					"the daemon says so in its log and is its own guard: redoubtd guard is the same. A daemon that was restarted goes on with the guard that runs.",
				"It is the first process of the PID namespace in which the services run. So they end with it, whatever ends it. The kernel removes their addresses by itself when the guard has not renewed them.",
				"With the word launch the same program is another process, of ordinary priority: it starts the programs of resources for the daemon. When it is killed the daemon starts another one; what it has started runs on.",
			},
			lists: []section{{"EXIT STATUS", [][2]string{{"0", "everything has ended"}, {"1", "something survived"}, {"2", "it could not begin"}}}}, example: "redoubtd guard",
		},
		{
			name: "version", does: "print the version", calls: []string{"redoubtd version"}, example: "redoubtd version",
		},
	}
}

// help is what -h prints of a sub-program.
func (p program) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nUsage:\n", p.title(), p.does)
	for _, c := range p.calls {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	for _, t := range p.text {
		fmt.Fprintf(&b, "\n%s\n", t)
	}
	terms := func(title string, list [][2]string) {
		if len(list) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", title)
		}
		for _, t := range list {
			fmt.Fprintf(&b, "  %-15s %s\n", t[0], t[1])
		}
	}
	terms("Flags", p.flags)
	for _, s := range p.lists {
		terms(s.title[:1]+strings.ToLower(s.title[1:]), s.terms)
	}
	fmt.Fprintf(&b, "\nExample:\n  %s\n", p.example)
	return b.String()
}

// title is the sub-program as it is called; page is its man page.
func (p program) title() string { return strings.TrimSpace("redoubtd " + p.name) }
func (p program) page() string  { return strings.ReplaceAll(p.title(), " ", "-") }

// manPage sets the description in the language of man pages.
func (p program) manPage() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %q \"8\" \"\" \"Redoubt\" \"Redoubt\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", strings.ToUpper(p.page()), roff(p.page()), roff(p.does))
	for i, c := range p.calls {
		if i > 0 {
			b.WriteString(".br\n")
		}
		fmt.Fprintf(&b, "\\fB%s\\fP\n", roff(c))
	}
	b.WriteString(".SH DESCRIPTION\n")
	for i, t := range p.text {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roff(t) + "\n")
	}
	if len(p.text) == 0 {
		b.WriteString(roff(strings.ToUpper(p.does[:1])+p.does[1:]) + ".\n")
	}
	lists := p.lists
	if len(p.flags) > 0 {
		lists = append([]section{{"OPTIONS", p.flags}}, lists...)
	}
	for _, s := range lists {
		fmt.Fprintf(&b, ".SH %s\n", s.title)
		for _, t := range s.terms {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", roff(t[0]), roff(t[1]))
		}
	}
	fmt.Fprintf(&b, ".SH EXAMPLE\n.nf\n%s\n.fi\n.SH SEE ALSO\n", roff(p.example))
	see := []string{"\\fBredoubt\\fP(8)"}
	for _, o := range programs() {
		if o.page() != p.page() && o.name != "version" {
			see = append(see, "\\fB"+roff(o.page())+"\\fP(8)")
		}
	}
	b.WriteString(strings.Join(see, ", ") + "\n")
	return b.String()
}

// roff takes their meaning from the characters that mean something in man pages.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
