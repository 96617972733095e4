package ocf

import (
	"context"
	"log/slog"
	"os/exec"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// dying is a node on which every process of the resource ends as soon as somebody waits for it.
type dying struct {
	agent.Launcher
	agent.Obligations
	pids  []int
	asked atomic.Int32
}

func (d *dying) Await(context.Context, agent.Ref, int) error { return nil }

// Processes gives them once; whoever asks again finds none, and learns it when all their ends have been told.
func (d *dying) Processes(agent.Ref) ([]int, error) {
	if d.asked.Add(1) == 1 {
		return d.pids, nil
	}
	<-time.After(time.Millisecond) // of virtual time: until nobody has anything left to do
	return nil, nil
}

// TestManyEndAtOnce: as many processes as are watched end before the watch has heard of the first, and one had ended before. The watch goes on, and ends when it is told to.
func TestManyEndAtOnce(t *testing.T) {
	node := &dying{}
	for range maxLeaders {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		node.pids = append(node.pids, cmd.Process.Pid)
	}
	d, err := New(Config{Launcher: node, Processes: node, Obligations: node, Log: slog.New(slog.DiscardHandler), Node: "n1", Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	d.started["web"] = []leader{{pid: 1 << 30, name: "gone"}}
	call := agent.Call{Resource: model.Resource{Name: cluster.ResourceName("web")}, Type: model.Type{Name: "ocf:test:none"}}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Bool
		go func() {
			d.Watch(ctx, call, func(agent.Observation) {})
			ended.Store(true)
		}()
		<-time.After(time.Minute)
		if node.asked.Load() < 2 {
			t.Errorf("the processes were looked at %d times", node.asked.Load())
		}
		cancel()
		synctest.Wait()
		if !ended.Load() {
			t.Error("the watch hangs")
		}
	})
}
