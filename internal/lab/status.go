package lab

import (
	"os"
	"slices"
	"time"
)

// MachineStatus is the state of one machine.
type MachineStatus struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`
	State     string       `json:"state"` // running, paused, off
	PID       int          `json:"pid,omitempty"`
	Addresses []string     `json:"addresses"`
	Daemon    DaemonStatus `json:"daemon"`
	Socket    string       `json:"socket,omitempty"`
}

// Status is the state of a lab.
type Status struct {
	Name     string          `json:"name"`
	Made     time.Time       `json:"made"`
	Bare     bool            `json:"bare"`
	Machines []MachineStatus `json:"machines"`
	Faults   []Fault         `json:"faults"`
}

// Status looks at every machine of the lab.
func (l *Lab) Status() (Status, error) {
	s := Status{Name: l.Name(), Made: l.state.Made, Bare: l.state.Bare}
	for _, m := range l.machines[1:] {
		ms := MachineStatus{Name: m.name, Kind: string(m.kind), State: "off", PID: m.pid(), Daemon: DaemonStatus{State: "unknown"}}
		for _, n := range m.nets {
			ms.Addresses = append(ms.Addresses, m.address(n).Addr().String())
		}
		if m.daemonic() {
			ms.Socket = l.Socket(m.name)
		}
		switch {
		case ms.PID == 0:
			ms.Daemon.State = "off"
		case m.group.event("frozen"):
			ms.State = "paused"
		default:
			ms.State = "running"
			if r, err := m.ask(request{Do: DaemonShow}); err == nil {
				ms.Daemon = r.Daemon
			}
		}
		s.Machines = append(s.Machines, ms)
	}
	var err error
	s.Faults, err = l.Faults()
	return s, err
}

// Summary is one line of the list of labs.
type Summary struct {
	Name    string    `json:"name"`
	Nodes   int       `json:"nodes"`
	Running int       `json:"running"` // how many of the nodes run
	Made    time.Time `json:"made,omitzero"`
	Note    string    `json:"note,omitempty"` // what is wrong with it
}

// List lists the labs of this host, the damaged ones too.
func List() []Summary {
	var all []Summary
	for _, name := range names() {
		l, err := Open(name)
		if err != nil {
			all = append(all, Summary{Name: name, Note: err.Error()})
			continue
		}
		s := Summary{Name: name, Nodes: l.state.Nodes, Made: l.state.Made}
		for _, m := range l.machines {
			if m.kind == kindNode && m.pid() != 0 {
				s.Running++
			}
		}
		if l.fabric().pid() == 0 {
			s.Note = "its network is gone; take it down: redoubt lab down --name " + name
		}
		all = append(all, s)
	}
	return all
}

// Sockets gives the API sockets of the nodes of all running labs that can be expected to answer, the newest lab first.
func Sockets() []string {
	type found struct {
		made time.Time
		path string
	}
	var all []found
	for _, name := range names() {
		l, err := Open(name)
		if err != nil {
			continue
		}
		for _, m := range l.machines {
			if m.kind != kindNode || m.pid() == 0 || m.group.event("frozen") {
				continue
			}
			if _, err := os.Stat(l.Socket(m.name)); err == nil {
				all = append(all, found{l.state.Made, l.Socket(m.name)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return b.made.Compare(a.made) })
	paths := make([]string, len(all))
	for i, f := range all {
		paths[i] = f.path
	}
	return paths
}
