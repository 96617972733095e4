package lab

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"redoubt/internal/fault"
)

// The daemons of all nodes of a lab share the processors of one machine, all with the same real-time priority. When the kernel lets one of them go on for its usual turn of a
// tenth of a second, and there are as many at work as there are processors, the heartbeats of a node that does nothing come that much later: with a lease of 170 ms that
// is the end of it, which no two machines could do to each other. So turns are short while there is a lab.
const (
	turnSetting = "/proc/sys/kernel/sched_rr_timeslice_ms"
	labTurn     = 8 // milliseconds
	// turnFile keeps what was set before; the last lab to go sets it again.
	turnFile = "turn"
)

// shortTurns sets the turns of real-time threads, unless they are as short already. The caller holds the lock of all labs.
func shortTurns() error {
	b, err := os.ReadFile(turnSetting)
	if err != nil {
		return nil //nolint:nilerr // a kernel without the setting
	}
	if was, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || was <= labTurn {
		return nil //nolint:nilerr // they are short, or another lab has seen to it
	}
	if err := os.WriteFile(filepath.Join(runRoot, turnFile), b, 0o600); err != nil {
		return fault.Errorf(fault.Internal, "note the turns of real-time threads: %w", err)
	}
	_ = os.WriteFile(turnSetting, []byte(strconv.Itoa(labTurn)), 0o644) // where it is read-only the lab works all the same, with late heartbeats now and then
	return nil
}

// usualTurns sets them as they were. The caller holds the lock of all labs.
func usualTurns() {
	path := filepath.Join(runRoot, turnFile)
	if b, err := os.ReadFile(path); err == nil {
		_ = os.WriteFile(turnSetting, b, 0o644)
		_ = os.Remove(path)
	}
}
