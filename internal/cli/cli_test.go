package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/fault"
)

// daemon is a Client that remembers what it was asked and gives a fixed answer.
type daemon struct {
	got    []cli.Call
	answer string
	err    error
}

func (d *daemon) Do(_ context.Context, c cli.Call) (json.RawMessage, error) {
	d.got = append(d.got, c)
	return json.RawMessage(d.answer), d.err
}

func (d *daemon) Names(context.Context, string) ([]string, error) { return []string{"web-rg"}, nil }

type result struct {
	status      int
	out, errout string
}

func run(d *daemon, stdin string, terminal bool, args ...string) result {
	var out, errout bytes.Buffer
	status := cli.Main(context.Background(), args, cli.Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errout, Executable: "/usr/bin/redoubt",
		IsTerminal: func() bool { return terminal }, Client: func() (cli.Client, error) { return d, nil },
	})
	return result{status, out.String(), errout.String()}
}

func TestCalls(t *testing.T) {
	for line, want := range map[string]string{
		"redoubt group create -n n1,n2 -p Failback=true web-rg": `group create {"names":["web-rg"],"node":["n1","n2"],"property":["Failback=true"]}`,
		"/usr/bin/clrg online -eM web-rg":                       `group online {"enable":true,"manage":true,"names":["web-rg"]}`,
		"redoubt clrg online -emM --no-wait +":                  `group online {"all":true,"enable":true,"manage":true,"monitor":true,"noWait":true}`,
		"clrg evacuate -n n2 -T 60 +":                           `group evacuate {"all":true,"node":["n2"],"timeout":60}`,
		"clrs create -g rg -t t -p A=1,2 -x B=2 -y C=3 -d r":    `resource create {"disabled":true,"extension":["B=2"],"group":"rg","names":["r"],"property":["A=1,2"],"standard":["C=3"],"type":"t"}`,
		"clrs clear -f STOP_FAILED -n n1 r":                     `resource clear {"flag":"STOP_FAILED","names":["r"],"node":["n1"]}`,
		"clrssa create -g rg -h web -N eth0@n1 ip":              `resource create-sharedaddress {"group":"rg","host":["web"],"names":["ip"],"netif":["eth0@n1"]}`,
		"clrslh create -g rg -h web -N eth0@n1 ip":              `resource create-logicalhostname {"group":"rg","host":["web"],"names":["ip"],"netif":["eth0@n1"]}`,
		"claccess allow -h n2 --expires 60":                     `access allow {"expires":60,"host":["n2"]}`,
		"scha_resource_get -O status_node -R web -G rg n2":      `scha_resource_get call {"group":"rg","names":["n2"],"operation":"status_node","resource":"web"}`,
		"scha_resource_get -O status -R web -G rg":              `scha_resource_get call {"group":"rg","operation":"status","resource":"web"}`,
		"redoubt status":                             `cluster status {}`,
		"redoubt group show":                         `group show {"all":true}`,
		"redoubt node evacuate -T 0 n2":              `node evacuate {"names":["n2"],"timeout":0}`,
		"redoubt type register -N redoubt.gds":       `type register {"allNodes":true,"names":["redoubt.gds"]}`,
		"redoubt group online --enable=false web-rg": `group online {"enable":false,"names":["web-rg"]}`,
	} {
		d := &daemon{}
		if r := run(d, "", false, strings.Fields(line)...); r.status != 0 {
			t.Errorf("%s: status %d: %s", line, r.status, r.errout)
			continue
		}
		body, err := json.Marshal(d.got[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.got[0].Noun + " " + d.got[0].Verb + " " + string(body); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", line, got, want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	missing := fault.Errorf(fault.NotFound, "show group x: there is no such group")
	for _, tc := range []struct {
		line string
		err  error
		want int
	}{
		{"redoubt group show x", missing, 1},
		{"clrg show x", missing, 36},
		{"scha_resource_get -O STATUS -R x", missing, 14},
		{"scha_resourcegroup_get -O NODELIST -G x", missing, 12},
		{"scha_control -O GIVEOVER", fault.Errorf(fault.Precondition, "refused"), 16},
		{"redoubt group shwo", nil, 2},
		{"redoubt group", nil, 2},
		{"redoubt group create", nil, 2},
		{"redoubt group create --nonsense x", nil, 2},
		{"redoubt group list -o xml", nil, 2},
		{"redoubt group online --timeout soon x", nil, 2},
		{"redoubt group quiesce --timeout -5 x", nil, 2},
		{"redoubt node evacuate -T -5 n1", nil, 2},
		{"redoubt group evacuate -T=-1 -n n1 +", nil, 2},
		{"redoubt cluster snapshot", nil, 2},
		{"redoubt cluster apply", nil, 2},
		{"redoubt group offline a +", nil, 2},
		{"clrg create", nil, 3},
		{"redoubt cluster show", missing, 1},
		{"/usr/bin/cluster show", missing, 36},
		{"clrg -?", nil, 0},
		{"clrg -V", nil, 0},
		{"redoubt", nil, 0},
	} {
		if r := run(&daemon{err: tc.err}, "", false, strings.Fields(tc.line)...); r.status != tc.want {
			t.Errorf("%s: status %d, want %d\n%s", tc.line, r.status, tc.want, r.errout)
		}
	}
	if r := run(&daemon{}, "", false, "redoubt", "group", "shwo"); !strings.Contains(r.errout, "Did you mean show") {
		t.Errorf("no suggestion in %q", r.errout)
	}
}

func TestNoDaemon(t *testing.T) {
	var out, errout bytes.Buffer
	socket := filepath.Join(t.TempDir(), "none")
	status := cli.Main(t.Context(), []string{"redoubt", "group", "list"}, cli.Env{Stdout: &out, Stderr: &errout, Socket: socket})
	if want := "nobody answers at " + socket + "; is redoubtd running?"; status != 1 || !strings.Contains(errout.String(), want) || out.Len() > 0 {
		t.Errorf("status %d, %q", status, errout.String())
	}
}

func TestConfirm(t *testing.T) {
	for _, tc := range []struct {
		answer   string
		terminal bool
		yes      string
		calls    int
	}{{"n\n", true, "--yes=false", 0}, {"", true, "--yes=false", 0}, {"y\n", true, "--yes=false", 1}, {"", true, "-y", 1}, {"", false, "--yes=false", 1}} {
		d := &daemon{}
		run(d, tc.answer, tc.terminal, "redoubt", "group", "delete", tc.yes, "web-rg")
		if len(d.got) != tc.calls {
			t.Errorf("answer %q, terminal %t, %s: %d calls, want %d", tc.answer, tc.terminal, tc.yes, len(d.got), tc.calls)
		}
	}
}

func TestFormats(t *testing.T) {
	const answer = `[{"name":"web-rg","nodes":["n1","n2"],"id":"007"},{"name":"db","why":"no node"}]`
	for format, want := range map[string]string{
		"json":  answer + "\n",
		"yaml":  "- name: web-rg\n  nodes:\n    - n1\n    - n2\n  id: \"007\"\n- name: db\n  why: no node\n",
		"table": "NAME    NODES  ID   WHY\nweb-rg  n1,n2  007  -\ndb      -      -    no node\n",
	} {
		r := run(&daemon{answer: answer}, "", false, "redoubt", "group", "list-props", "-o", format)
		if diff := cmp.Diff(want, r.out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	if r := run(&daemon{answer: `["n1","n2"]`}, "", false, "scha_resourcegroup_get", "-O", "NODELIST", "-G", "g"); r.out != "n1\nn2\n" {
		t.Errorf("scha output %q, want one value a line", r.out)
	}
}

// TestTree holds every command to having a summary and an example, and every example to be one the tree accepts.
func TestTree(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s: no summary or no example", c.CommandPath())
			return
		}
		words := strings.Fields(strings.ReplaceAll(c.Example, "'/srv/web -l 8080'", "/srv/web"))
		root := cli.Root(cli.Env{})
		found, rest, err := root.Find(words[1:])
		if err != nil {
			t.Errorf("%s: example: %v", c.CommandPath(), err)
			return
		}
		if err := found.ParseFlags(rest); err != nil {
			t.Errorf("%s: example: %v", c.CommandPath(), err)
		} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
			t.Errorf("%s: example: %v", c.CommandPath(), err)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(cli.Root(cli.Env{}))
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a second time replaces the links
		if r := run(&daemon{}, "", false, "redoubt", "links", "install", dir); r.status != 0 {
			t.Fatal(r.errout)
		}
	}
	for _, name := range []string{"clrg", "clresourcegroup", "clauth", "clrslh", "clreslogicalhostname", "cluster", "scha_control"} {
		if to, err := os.Readlink(filepath.Join(dir, name)); err != nil || to != "/usr/bin/redoubt" {
			t.Errorf("link %s: %q, %v", name, to, err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "clrg"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(&daemon{}, "", false, "redoubt", "links", "install", filepath.Join(other, "missing")); r.status != 1 || !strings.Contains(r.errout, "a directory that exists") {
		t.Errorf("into a directory that is not there: %+v", r)
	}
	if r := run(&daemon{}, "", false, "redoubt", "links", "install", other); r.status != 1 {
		t.Errorf("a foreign file was replaced: %+v", r)
	}
}

func TestReferenceAndCompletion(t *testing.T) {
	for kind, file := range map[string]string{"man": "redoubt-group-create.8", "markdown": "redoubt_group_create.md"} {
		dir := t.TempDir()
		if r := run(&daemon{}, "", false, "redoubt", "docs", kind, dir); r.status != 0 {
			t.Fatal(r.errout)
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := run(&daemon{}, "", false, "redoubt", "completion", shell); r.status != 0 || r.out == "" {
			t.Errorf("completion %s: status %d", shell, r.status)
		}
	}
	if r := run(&daemon{}, "", false, "redoubt", "__complete", "group", "online", ""); !strings.Contains(r.out, "web-rg") {
		t.Errorf("completion of names: %q", r.out)
	}
}
