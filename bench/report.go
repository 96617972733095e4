package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"redoubt/internal/fault"
)

//go:embed report.md.tmpl
var reportTemplate string

// row is a line of a table whose columns are systems.
type row struct {
	Name  string
	Cells []string
}

// split is a line of the table of those who serve twice.
type split struct{ Event, System, Old, New, Twice, Long string }

// idleRow is a line of the table of idle nodes.
type idleRow struct {
	System             string
	CPU, All, RSS, PSS Summary
}

// target is a target of the product with what became of it.
type target struct{ What, Measured, Verdict string }

// page is what the template is filled with.
type page struct {
	Host                           Host
	Began, Look, Window, Server    string
	Versions                       []string
	Systems, Peers                 []string
	Away, Ratios                   []row
	Splits                         []split
	Idles                          []idleRow
	PlanSize, PlanLarge, PlanBegan string
	PlanLoad                       float64
	Plans                          []planRow
	Balance                        []balanceRow
	BalanceBegan                   string
	BalanceLoad                    float64
	Targets                        []target
	Troubles                       []string
}

// awayTrials and splitTrials are the trials by the table they are in.
var (
	awayTrials  = []string{trialDeath, trialMove, trialProcess, trialProcess10, trialDaemon, trialKilled}
	splitTrials = []string{trialCutIC, trialCutAll, trialDaemon, trialKilled, trialFrozenDaemon, trialFrozen}
)

// report writes the report of the results in the directory.
func (r *run) report(path string) error {
	all, err := r.read()
	if err != nil {
		return err
	}
	var o Options
	if found, err := load(r.optionsFile(), &o); err != nil || !found {
		return fault.Errorf(fault.NotFound, "no results in %s: %w; run it without -report first", r.dir, os.ErrNotExist)
	}
	text, err := render(o, all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.Errorf(fault.Internal, "directory of the report: %w", err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fault.Errorf(fault.Internal, "write the report: %w", err)
	}
	fmt.Printf("report: %s\n", path)
	return nil
}

func render(o Options, all results) ([]byte, error) {
	t, err := template.New("report").Parse(reportTemplate)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "template of the report: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(o, all)); err != nil {
		return nil, fault.Errorf(fault.Internal, "report: %w", err)
	}
	return b.Bytes(), nil
}

func newPage(o Options, all results) page {
	p := page{Host: o.Host, Began: o.Began.Format(time.DateOnly), Look: "3 s", Window: "A minute"}
	if o.Quick {
		p.Look, p.Window = "2 s", "20 s"
	}
	for _, name := range []string{"pacemaker", "corosync", "keepalived", "haproxy"} {
		if v := o.Host.Versions[name]; v != "" {
			p.Versions = append(p.Versions, name+" "+v)
		}
	}
	for _, s := range specs() {
		p.Systems = append(p.Systems, s.name)
		if s.kind != "redoubt" {
			p.Peers = append(p.Peers, s.name)
		}
		p.Idles = append(p.Idles, idleRow{
			System: s.name, CPU: all.idle(s.name, func(i Idle) float64 { return i.CPU }), All: all.idle(s.name, func(i Idle) float64 { return i.AllCPU }),
			RSS: all.idle(s.name, func(i Idle) float64 { return i.RSS }), PSS: all.idle(s.name, func(i Idle) float64 { return i.PSS }),
		})
	}
	for _, trial := range awayTrials {
		p.Away = append(p.Away, awayRow(all, trial))
	}
	for _, trial := range []string{trialDeath, trialMove, trialProcess, trialProcess10} {
		p.Ratios = append(p.Ratios, ratioRow(all, trial))
	}
	for _, trial := range splitTrials {
		for _, s := range specs() {
			if line, ok := splitLine(all, s.name, trial); ok {
				p.Splits = append(p.Splits, line)
			}
		}
	}
	p.PlanSize, p.PlanLarge, p.Plans = planSize.String(), planLarge.String(), planRows(all.plan)
	p.PlanBegan, p.PlanLoad = all.plan.Began.UTC().Format(time.DateOnly), all.plan.Load
	p.Server = summarize(all.plan.ServerRun).String()
	p.Balance, p.BalanceBegan, p.BalanceLoad = balanceRows(all.scalable.Met), all.scalable.Began.UTC().Format(time.DateOnly), all.scalable.Load
	p.Targets = targets(all)
	p.Troubles = troubles(all)
	return p
}

// planRow is one line of what placing costs.
type planRow struct{ What, Ours, Solver, Peer, Ratio string }

func planRows(p Plan) []planRow {
	full, down, released := summarize(p.Full), summarize(p.NodeDown), summarize(p.Released)
	decided := func(took []float64, actions int) string {
		return fmt.Sprintf("%s, %d actions", summarize(took), actions)
	}
	large := func(what string, took []float64) planRow {
		return planRow{fmt.Sprintf("%v: %s", planLarge, what), summarize(took).String(), "", "", ""}
	}
	return []planRow{
		{"everything starts", full.String(), summarize(p.SolveFull).String(), decided(p.SimulateFull, p.ActionsFull), ratio(full, summarize(p.SimulateFull))},
		{"a node is lost", down.String(), "", "", ""},
		{"its services may start elsewhere", released.String(), summarize(p.SolveLost).String(), "", ""},
		{"both together", sum(down, released).String(), "", decided(p.Simulate, p.Actions), ratio(sum(down, released), summarize(p.Simulate))},
		large("everything starts", p.LargeFull), large("a node is lost", p.LargeDown), large("its services may start elsewhere", p.LargeReleased),
	}
}

func awayRow(all results, trial string) row {
	line := row{Name: trial}
	for _, s := range specs() {
		cell := all.value(s.name, trial, valueGap).String()
		if twice, _ := all.double(s.name, trial); twice > 0 {
			cell = "(served twice)"
		}
		if lost := all.lost(s.name, trial); lost > 0 {
			cell += fmt.Sprintf(", %d not back", lost)
		}
		line.Cells = append(line.Cells, cell)
	}
	return line
}

// comparison is the profile of Redoubt that a peer is compared with.
func comparison(peer string) string {
	if peer == "Pacemaker token 1000" || peer == "keepalived 0.1 s" {
		return "Redoubt fast"
	}
	return "Redoubt"
}

func ratioRow(all results, trial string) row {
	line, ours := row{Name: trial}, trial
	if trial == trialProcess10 { // Redoubt has no interval that could be longer
		ours = trialProcess
	}
	for _, s := range specs() {
		if s.kind != "redoubt" {
			line.Cells = append(line.Cells, ratio(all.value(comparison(s.name), ours, valueGap), all.value(s.name, trial, valueGap)))
		}
	}
	return line
}

// stillServing is how close to the end of the observation an old node's last answer has to be to say that it never stopped.
const stillServing = 200

func splitLine(all results, system, trial string) (split, bool) {
	twice, n := all.double(system, trial)
	if n == 0 {
		return split{}, false
	}
	line := split{Event: trial, System: system, Twice: fmt.Sprintf("%d of %d", twice, n), Long: "-"}
	if twice > 0 {
		line.Twice = "**" + line.Twice + "**"
	}
	line.Old, line.New = all.value(system, trial, valueOld).String(), all.value(system, trial, valueNew).String()
	var long []float64
	never := 0
	for _, s := range all.samples(system, trial) {
		if s.Double {
			long = append(long, s.Values[valueOverlap])
		}
		if s.Values[valueWatched]-s.Values[valueOld] < stillServing {
			never++
		}
	}
	if len(long) > 0 {
		line.Long = summarize(long).String()
	}
	if never > 0 {
		line.Old = fmt.Sprintf("still serving in %d of %d", never, n)
	}
	if line.New == "-" {
		line.New = "nobody"
	}
	return line, true
}

// lost counts repetitions after which the client got no steady answer.
func (r results) lost(system, trial string) (n int) {
	for _, s := range r.samples(system, trial) {
		if s.Lost {
			n++
		}
	}
	return n
}

// troubles are all failures: of sections, of repetitions, of the time that was given.
func troubles(all results) (list []string) {
	for _, s := range all.sections {
		where := fmt.Sprintf("%s, round %d: ", s.System, s.Round+1)
		if s.Error != "" {
			list = append(list, where+oneLine(s.Error))
		}
		if s.Cut {
			list = append(list, where+"its time was over before all repetitions were made")
		}
		for _, x := range s.Samples {
			switch {
			case x.Error != "":
				list = append(list, where+x.Trial+": "+oneLine(x.Error))
			case x.Stale:
				list = append(list, where+x.Trial+": after the fault was mended the client reached the service only when its neighbour table was emptied")
			case x.Lost:
				list = append(list, where+x.Trial+": the client got no steady answer until the end of the observation")
			}
		}
	}
	if all.plan.Error != "" {
		list = append(list, "placement: "+oneLine(all.plan.Error))
	}
	if all.scalable.Error != "" {
		list = append(list, "load balancing: "+oneLine(all.scalable.Error))
	}
	return list
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
