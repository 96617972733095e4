package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/execcheck"
	"redoubt/internal/fence"
	"redoubt/internal/native/gds"
	"redoubt/internal/ocf"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// TestSourcesOfWhatRootRuns: the check of who could write what root runs looks at types and at fence agents, at each once.
func TestSourcesOfWhatRootRuns(t *testing.T) {
	with := func(agent string) model.NodeState {
		return model.NodeState{Node: model.Node{Fence: &model.Fence{Agent: agent}}}
	}
	got := sources(model.State{
		Types: []model.Type{{Name: "ocf:heartbeat:a", Driver: ocf.Name, BaseDir: "/usr/lib/ocf/resource.d/heartbeat"}, {Name: "ocf:heartbeat:b", Driver: ocf.Name, BaseDir: "/usr/lib/ocf/resource.d/heartbeat"}},
		Nodes: []model.NodeState{with("fence_x"), with("fence_x"), {}, with("fence_y")},
	})
	var first []string
	for _, paths := range got {
		first = append(first, paths[0])
	}
	if want := []string{"/usr/lib/ocf/resource.d/heartbeat", filepath.Join(fence.AgentDir, "fence_x"), filepath.Join(fence.AgentDir, "fence_y")}; !slices.Equal(first, want) {
		t.Errorf("looked at %q, want %q", first, want)
	}
	if len(got) == 0 || !slices.Contains(got[0], "/usr/lib/ocf/lib") {
		t.Errorf("the libraries of OCF agents are not among %q", got)
	}
}

// TestCommandsOfResourcesAreLookedAt: the commands of redoubt.gds are judged on the nodes where they may run, by the values that they have there.
func TestCommandsOfResourcesAreLookedAt(t *testing.T) {
	dir, err := os.MkdirTemp("/var/lib", "rdt-gate-") // a test's own folder lies in /tmp, where everybody may write
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	planted := filepath.Join(dir, "planted")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(planted, []byte("#!/bin/sh\n"), 0o755), os.Chown(planted, 64123, 64123)); err != nil {
		t.Fatal(err)
	}
	gate, err := execcheck.New(execcheck.Config{Dir: filepath.Join(dir, "stage"), Level: func() execsec.Level { return execsec.Secure }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	resource := func(name cluster.ResourceName, t cluster.TypeName, group cluster.GroupName, ps ...model.Property) model.Resource {
		return model.Resource{Name: name, Type: t, Group: group, Properties: ps}
	}
	command := func(name, value string, node cluster.NodeName) model.Property {
		return model.Property{Name: name, Node: node, Values: []string{value}}
	}
	evil := "sleep 1; exec " + planted
	state := model.State{
		Types:  []model.Type{{Name: gds.TypeName, Properties: []model.PropertySpec{{Name: "Probe_command", Default: []string{"sleep 2"}}}}, {Name: "other"}},
		Groups: []model.Group{{Name: "here", Nodelist: []cluster.NodeName{"n2", "n1"}}, {Name: "there", Nodelist: []cluster.NodeName{"n2"}}},
		Resources: []model.Resource{
			resource("a", gds.TypeName, "here", command("Start_command", "sleep 1", ""), command("Start_command", evil, "n2")),
			resource("b", gds.TypeName, "here", command("Start_command", "sleep 1", ""), command("Probe_command", evil, "n1")),
			resource("c", gds.TypeName, "there", command("Stop_command", evil, "")), resource("d", "other", "here", command("Start_command", evil, "")),
		},
	}
	for here, want := range map[cluster.NodeName][]string{"n1": {"resource b, property Probe_command: "}, "n2": {"resource a, property Start_command: ", "resource c, property Stop_command: "}, "n3": nil} {
		var got []string
		wrongCommands(gate, state, here, "/usr/bin:/bin", func(s string) { got = append(got, s) })
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", here, got, want)
			continue
		}
		for i, w := range want {
			if !strings.HasPrefix(got[i], w) || !strings.Contains(got[i], planted+", which belongs to user 64123") {
				t.Errorf("%s: %q, want %q", here, got[i], w)
			}
		}
	}
}

// TestAskingOftenLooksSeldom: what a look has found is said again for twenty times as long as the look took, and those who ask while it lasts make no looks of their own.
func TestAskingOftenLooksSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f found
		looks := 0
		look := func() []string {
			looks++
			time.Sleep(10 * time.Second)
			return []string{strconv.Itoa(looks)}
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if got := f.get(look); !slices.Equal(got, []string{"1"}) {
					t.Errorf("found %q", got)
				}
			})
		}
		wg.Wait()
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{199 * time.Second, "1"}, {2 * time.Second, "2"}, {time.Second, "2"}} {
			time.Sleep(c.after)
			if got := f.get(look); !slices.Equal(got, []string{c.want}) {
				t.Errorf("after %v more: found %q, want %q", c.after, got, c.want)
			}
		}
	})
}
