package execcheck_test

import (
	"io"
	"log/slog"
	"os"
	"testing"

	"redoubt/internal/agent"
	"redoubt/internal/execcheck"
	"redoubt/internal/rgm/execsec"
)

// BenchmarkAdmit is what every method costs more, with a type folder of a hundred files as the OCF agents have it.
func BenchmarkAdmit(b *testing.B) {
	dir, err := os.MkdirTemp("/var/lib", "rdt-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for i := range 100 {
		if err := os.WriteFile(dir+"/agent"+string(rune('a'+i%26))+string(rune('a'+i/26)), []byte("#!/bin/sh\n"), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	stage, err := os.MkdirTemp("/var/lib", "rdt-bench-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(stage)
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	g, err := execcheck.New(execcheck.Config{Dir: stage, Level: func() execsec.Level { return execsec.Secure }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		as, err := g.Admit(agent.Program{Path: dir + "/agentaa", Folder: dir})
		if err != nil {
			b.Fatal(err)
		}
		as.Close()
	}
}
