package ocf_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"redoubt/internal/agent"
	"redoubt/internal/cli/ocftools"
	"redoubt/internal/ocf"
)

// files is a cluster of one node that keeps attributes in files of a directory.
type files string

func (f files) path(node, name string) string {
	return filepath.Join(string(f), strings.ReplaceAll("attr+"+node+"+"+name, "/", "+"))
}

func (f files) Get(_ context.Context, node, name string) (string, bool, error) {
	b, err := os.ReadFile(f.path(node, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	return string(b), err == nil, err
}

func (f files) Set(_ context.Context, node, name, value string, _ ocftools.Lifetime) error {
	return os.WriteFile(f.path(node, name), []byte(value), 0o600)
}

func (f files) Delete(_ context.Context, node, name string) error {
	if err := os.Remove(f.path(node, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (f files) Nodes(context.Context) (ocftools.Nodes, error) {
	return ocftools.Nodes{Local: "n1", Quorate: true, Nodes: []ocftools.Node{{Name: "n1", ID: 1, Member: true}}}, nil
}

// toolDir has the tools as scripts that run this binary under their full path, by which it finds the attributes.
func toolDir(t *testing.T) string {
	t.Helper()
	dir := openDir(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range ocftools.Names() {
		write(t, filepath.Join(dir, name), "#!/bin/bash\nexec -a "+filepath.Join(dir, name)+" "+exe+" \"$@\"\n")
	}
	return dir
}

func TestPromotionScoreIsKept(t *testing.T) {
	tools := toolDir(t)
	h := newHost(t, func(c *ocf.Config) { c.ToolDir = tools })
	c := h.call(t, "ocf:heartbeat:Stateful", "st")
	if !c.Type.Failover {
		t.Error("an agent that can be promoted may only run as a single instance")
	}
	score := func(want string, exists bool) {
		t.Helper()
		if got, ok, err := files(tools).Get(t.Context(), "n1", "master-st"); got != want || ok != exists || err != nil {
			t.Errorf("promotion score %q, %v, %v", got, ok, err)
		}
	}
	score("", false)
	h.must(t, c, start)
	score("5", true)
	w := h.watch(t, c)
	w.expect(t, 10*time.Second, agent.Healthy)
	w.stop()
	r := h.do(t.Context(), c, stop)
	if !r.OK() || strings.Contains(r.Output, "crm_") {
		t.Errorf("%+v", r)
	}
	score("", false)
}
