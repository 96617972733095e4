package proc

import (
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"redoubt/internal/agent"
)

// A service that says nothing takes no memory for what it might say: there can be thousands of them on a node, and the daemon's memory is locked.
func TestSilentServicesTakeNoBuffers(t *testing.T) {
	const services = 500
	l := &Launcher{cfg: Config{Cgroup: "/c", RunDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}, readers: map[string]*capture{}}
	memory := func() uint64 {
		runtime.GC()
		runtime.GC() // what a pool holds goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := memory()
	var following sync.WaitGroup
	captures, programs := make([]*capture, services), make([]*os.File, services)
	for i := range services {
		var err error
		if captures[i], programs[i], err = l.newCapture("/c/"+strconv.Itoa(i), agent.Ref{}, "Start"); err != nil {
			t.Fatal(err)
		}
		following.Go(captures[i].follow)
		if _, err := programs[i].WriteString("up\n"); err != nil { // each has been read from once
			t.Fatal(err)
		}
	}
	for i, c := range captures {
		c.exited()
		if got := c.settle(); got != "up\n" {
			t.Errorf("service %d: output %q", i, got)
		}
	}
	if each := int64(memory()-before) / services; each > 16<<10 {
		t.Errorf("each silent service takes %d bytes", each)
	}
	for i := range services {
		captures[i].stop()
		programs[i].Close()
	}
	following.Wait()
}
