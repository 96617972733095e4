package fence_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"redoubt/internal/execcheck"
	"redoubt/internal/fence"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

const (
	password = `s3cr3t&"wörd" 100%`
	patience = 10 * time.Second
)

// description is what the agent of the tests says about itself, in the form of fence-agents.
const description = `<?xml version="1.0" ?>
<resource-agent name="fence_test" shortdesc="Fence agent for a machine in a file" >
<longdesc>It switches a file.</longdesc>
<vendor-url>http://example.com</vendor-url>
<parameters>
	<parameter name="action" unique="0" required="1">
		<getopt mixed="-o, --action=[action]" />
		<content type="string" default="reboot"  />
		<shortdesc lang="en">Fencing action</shortdesc>
	</parameter>
	<parameter name="ip" unique="0" required="1" obsoletes="ipaddr">
		<getopt mixed="-a, --ip=[ip]" />
		<content type="string"  />
		<shortdesc lang="en">IP address or hostname of fencing device</shortdesc>
	</parameter>
	<parameter name="ipaddr" unique="0" required="1" deprecated="1">
		<getopt mixed="-a, --ip=[ip]" />
		<content type="string"  />
		<shortdesc lang="en">IP address or hostname of fencing device</shortdesc>
	</parameter>
	<parameter name="password" unique="0" required="1" obsoletes="passwd">
		<content type="string"  />
		<shortdesc lang="en">Login password or passphrase</shortdesc>
	</parameter>
	<parameter name="passwd" unique="0" required="0" deprecated="1">
		<content type="string"  />
		<shortdesc lang="en">Login password or passphrase</shortdesc>
	</parameter>
	<parameter name="privlvl" unique="0" required="0">
		<content type="select" default="administrator"  >
			<option value="callback" />
			<option value="administrator" />
		</content>
		<shortdesc lang="en">Privilege level</shortdesc>
	</parameter>
	<parameter name="lanplus" unique="0" required="0">
		<content type="boolean" default="0"  />
		<shortdesc lang="en">Use Lanplus</shortdesc>
	</parameter>
	<parameter name="power_wait" unique="0" required="0">
		<content type="second" default="0"  />
		<shortdesc lang="en">Wait X seconds</shortdesc>
	</parameter>
	<parameter name="behave" unique="0" required="0">
		<content type="string" default="well" />
		<shortdesc lang="en">What to do wrong</shortdesc>
	</parameter>
	<parameter name="token" unique="0" required="0">
		<content type="integer" />
		<shortdesc lang="en">A number that is secret</shortdesc>
	</parameter>
</parameters>
<actions>
	<action name="on" automatic="0"/>
	<action name="off" />
	<action name="reboot" />
	<action name="status" />
	<action name="monitor" />
	<action name="metadata" />
	<action name="validate-all" />
</actions>
</resource-agent>
`

// script is an agent: it reads options on standard input, checks the password, switches the file "power", and is told by the option "behave" what to do wrong. It
// records the arguments and the environment that it and its children have.
const script = `#!/bin/sh
d=DIR
cat /proc/$$/cmdline /proc/$$/environ | tr '\0' '\n' >> "$d/seen"
cut -d' ' -f41 /proc/$$/stat > "$d/policy"
cat /proc/$$/oom_score_adj > "$d/oom"
if [ "$1" = -o ] && [ "$2" = metadata ]; then
	echo run >> "$d/described"
	cat "$d/description"
	exit 0
fi
[ $# = 0 ] || { echo "options belong on standard input" >&2; exit 1; }
action=reboot behave=well
while IFS= read -r line; do
	echo "$line" >> "$d/input"
	case $line in
	action=*) action=${line#*=} ;;
	password=*) password=${line#*=} ;;
	behave=*) behave=${line#*=} ;;
	esac
done
echo "$action" >> "$d/actions"
echo "DEBUG: login with $password" >&2
[ "$password" = "$(cat "$d/password")" ] || { echo "Unable to connect/login to fencing device"; exit 1; }
case $action/$behave in
status/blind) echo "Failed: Unable to obtain correct plug status"; exit 1 ;;
status/*) if [ "$(cat "$d/power")" = off ]; then echo "Status: OFF"; exit 2; else echo "Status: ON"; exit 0; fi ;;
off/lie) echo "Success: Powered OFF"; exit 0 ;;
off/late) (exec > /dev/null 2>&1; while [ "$(grep -c status "$d/actions")" -lt 2 ]; do sleep 0.05; done; echo off > "$d/power") & echo "Success: Powered OFF"; exit 0 ;;
off/hang) echo "waiting for the device, password $password"; setsid sh -c "echo \$\$ > $d/child; echo up; exec sleep 1000" & sleep 1000 ;;
off/linger) echo off > "$d/power"; setsid sh -c "echo \$\$ > $d/child; exec sleep 1000" & while [ ! -s "$d/child" ]; do sleep 0.02; done; exit 0 ;;
off/forks) # its child was made before anybody could look at it, and both have to become ordinary
	sleep 1000 > /dev/null 2>&1 & until [ "$(cut -d' ' -f41 /proc/$$/stat) $(cut -d' ' -f41 /proc/$!/stat) $(cat /proc/$!/oom_score_adj)" = "0 0 0" ]; do :; done; kill $!; echo off > "$d/power"; exit 0 ;;
off/flood) echo off > "$d/power"; yes "$(printf '%0200d' 0)" | head -n 5000; echo end; exit 0 ;;
off/*) echo off > "$d/power"; echo "Success: Powered OFF"; exit 0 ;;
reboot/*) echo on > "$d/power"; echo "Success: Rebooted"; exit 0 ;;
*) echo "unknown action $action"; exit 1 ;;
esac
`

// bench is a machine with an agent and a daemon that may fence it.
type bench struct {
	t       *testing.T
	dir     string
	secrets string
	log     *journal
	cfg     fence.Config
	fencer  *fence.Fencer
	level   execsec.Level
}

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func newBench(t *testing.T, change func(*fence.Config)) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "rdt-fence-") // root's alone: what lies below /tmp does not run
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &bench{t: t, dir: dir, log: &journal{}, level: execsec.Secure}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b.secrets = filepath.Join(b.dir, "secrets")
	if err := os.Mkdir(b.secrets, 0o700); err != nil {
		t.Fatal(err)
	}
	b.write("fence_test", strings.ReplaceAll(script, "DIR", b.dir), 0o755)
	b.write("description", description, 0o644)
	b.write("power", "on\n", 0o644)
	b.write("password", password, 0o600)
	b.write("secrets/n2", "# of the management controller\n\npassword="+password+"\n", 0o600)
	log := slog.New(slog.NewTextHandler(b.log, nil))
	gate, err := execcheck.New(execcheck.Config{Dir: filepath.Join(dir, "stage"), Level: func() execsec.Level { return b.level }, Log: log, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	b.cfg = fence.Config{AgentDir: b.dir, SecretDir: b.secrets, Gate: gate, Log: log}
	if change != nil {
		change(&b.cfg)
	}
	b.fencer = fence.New(b.cfg)
	return b
}

func (b *bench) write(name, text string, mode os.FileMode) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		b.t.Fatal(err)
	}
}

// read returns what is in a file, "" if there is none.
func (b *bench) read(name string) string {
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return string(text)
}

// node is a node with a fence agent and options NAME=VALUE.
func node(options ...string) model.Node {
	f := &model.Fence{Agent: "fence_test", Timeout: 30}
	for _, o := range append([]string{"ip=10.0.0.2"}, options...) {
		name, value, _ := strings.Cut(o, "=")
		f.Options = append(f.Options, model.Property{Name: name, Values: []string{value}})
	}
	return model.Node{Name: "n2", ID: 2, Fence: f}
}

// leaks looks for the password in everything that others can read.
func (b *bench) leaks(errs ...error) {
	b.t.Helper()
	for what, text := range map[string]string{"arguments and environment of the agent": b.read("seen"), "the log": b.log.String(), "an error": fmt.Sprint(errs)} {
		for _, part := range []string{password, "s3cr3t"} {
			if strings.Contains(text, part) {
				b.t.Errorf("the password is in %s:\n%s", what, text)
				break
			}
		}
	}
}

// until repeats f until it is true.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); !f(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
