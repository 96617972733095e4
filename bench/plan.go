package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// The shape of the cluster whose placement is measured. It is that of BenchmarkPlan in internal/rgm/order.
const (
	planNodes  = 16
	planGroups = 1000
	planEach   = 5
)

const planFile = "plan.json"

// simulateTimeout bounds one run of crm_simulate; after one that took longer than simulatePatience there is no further.
const (
	simulateTimeout  = 4 * time.Minute
	simulatePatience = time.Minute
)

// planSection compares what it costs to decide where the services of a lost node go.
func (r *run) planSection(ctx context.Context) error {
	path := filepath.Join(r.dir, planFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	reps := min(3, r.reps)
	p := Plan{Began: time.Now()}
	r.tell("planner: BenchmarkPlan")
	err := r.ourPlan(ctx, &p)
	if err == nil {
		r.tell("planner: nodedown %v ms, released %v ms; crm_simulate %d times", summarize(p.NodeDown), summarize(p.Released), reps)
		err = r.simulate(ctx, &p, reps)
	}
	if err == nil {
		r.tell("planner: crm_simulate %v ms, %d actions", summarize(p.Simulate), p.Actions)
		err = r.serverStarts(ctx, &p)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		p.Error = err.Error()
		r.tell("planner: %v", err)
	}
	return save(path, p)
}

// ourPlan runs the planner's own benchmark, and reads its lines.
func (r *run) ourPlan(ctx context.Context, p *Plan) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkPlan$", "-benchtime", "20x", "-count", "5", "-cpu", "1", "./internal/rgm/order")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fault.Errorf(fault.Internal, "benchmark of the planner: %w: %s", err, lastLines(string(out)))
	}
	p.NodeDown, p.Released = benchLines(string(out), "BenchmarkPlan/nodedown"), benchLines(string(out), "BenchmarkPlan/released")
	if len(p.NodeDown) == 0 || len(p.Released) == 0 {
		return fault.Errorf(fault.Internal, "benchmark of the planner: its lines are not there: %s", out)
	}
	return nil
}

// benchLines reads the ms/op of a benchmark from the output of go test.
func benchLines(out, name string) (all []float64) {
	for line := range strings.SplitSeq(out, "\n") {
		f := strings.Fields(line)
		if len(f) >= 4 && (f[0] == name || strings.HasPrefix(f[0], name+"-")) && f[3] == "ns/op" {
			if ns, err := strconv.ParseFloat(f[2], 64); err == nil {
				all = append(all, ns/1e6)
			}
		}
	}
	return all
}

// simulate lets Pacemaker's scheduler decide the same: -R decides and carries nothing out.
func (r *run) simulate(ctx context.Context, p *Plan, reps int) error {
	cib, graph := filepath.Join(r.work, "cib.xml"), filepath.Join(r.work, "graph.xml")
	if err := os.WriteFile(cib, cibXML(), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "write %s: %w", cib, err)
	}
	for range reps {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, simulateTimeout)
		cmd := exec.CommandContext(limited, "crm_simulate", "-R", "-Q", "-x", cib, "-G", graph)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			return fault.Errorf(fault.Internal, "crm_simulate: %w: %s", err, lastLines(string(out)))
		}
		p.Simulate = append(p.Simulate, ms(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
		if time.Since(began) > simulatePatience {
			break
		}
	}
	b, err := os.ReadFile(graph)
	if err != nil {
		return fault.Errorf(fault.Internal, "crm_simulate left no graph: %w", err)
	}
	p.Actions = bytes.Count(b, []byte("<synapse"))
	return nil
}

// cibXML is the cluster for Pacemaker: every group runs on the node of its number, and the first node is gone.
func cibXML() []byte {
	var b bytes.Buffer
	b.WriteString(`<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" dc-uuid="2"><configuration>` +
		`<crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config><nodes>`)
	for n := 1; n <= planNodes; n++ {
		fmt.Fprintf(&b, `<node id="%d" uname="n%d"/>`, n, n)
	}
	b.WriteString("</nodes><resources>\n")
	for g := range planGroups {
		fmt.Fprintf(&b, `<group id="g%d">`, g)
		for k := range planEach {
			fmt.Fprintf(&b, `<primitive id="r%d-%d" class="ocf" provider="pacemaker" type="Dummy"><operations><op id="m%d-%d" name="monitor" interval="10s" timeout="20s"/></operations></primitive>`, g, k, g, k)
		}
		b.WriteString("</group>\n")
	}
	b.WriteString(`</resources><constraints/><rsc_defaults><meta_attributes id="d"><nvpair id="d1" name="resource-stickiness" value="100"/></meta_attributes></rsc_defaults></configuration><status>` + "\n")
	for n := 1; n <= planNodes; n++ {
		cibNode(&b, n)
	}
	b.WriteString("</status></cib>\n")
	return b.Bytes()
}

// cibNode is the state of a node with the history of every resource on it.
func cibNode(b *bytes.Buffer, n int) {
	if n == 1 {
		fmt.Fprintf(b, `<node_state id="%d" uname="n%d" in_ccm="false" crmd="offline" join="down" expected="down"/>`+"\n", n, n)
		return
	}
	fmt.Fprintf(b, `<node_state id="%d" uname="n%d" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="%d"><lrm_resources>`+"\n", n, n, n)
	for g := range planGroups {
		for k := range planEach {
			id, call := fmt.Sprintf("r%d-%d", g, k), 2*(g*planEach+k)+1
			fmt.Fprintf(b, `<lrm_resource id="%s" type="Dummy" class="ocf" provider="pacemaker">`, id)
			if g%planNodes == n-1 {
				cibOp(b, n, id, "last_0", "start", 0, 0, call)
				cibOp(b, n, id, "monitor_10000", "monitor", 10000, 0, call+1)
			} else {
				cibOp(b, n, id, "last_0", "monitor", 0, 7, call)
			}
			b.WriteString("</lrm_resource>\n")
		}
	}
	b.WriteString("</lrm_resources></lrm></node_state>\n")
}

// Pacemaker compares an operation's parameters with the current ones by a digest; where it differs or is missing, it would start the resource anew.
// These are of an operation without parameters, and of a monitor whose only one is its timeout of 20 s.
const (
	digestPlain   = "f2317cad3d54cec5d7d7aa7d0bf35cf8"
	digestMonitor = "4811cef7f7f94e3a35a70be7916cb2fd"
)

func cibOp(b *bytes.Buffer, n int, id, suffix, operation string, interval, code, call int) {
	digest := digestPlain
	if interval > 0 {
		digest = digestMonitor
	}
	key := fmt.Sprintf("%d:1:%d:b0000000-0000-0000-0000-000000000000", call, code)
	fmt.Fprintf(b, `<lrm_rsc_op id="%s_%s" operation_key="%s_%s_%d" operation="%s" crm_feature_set="3.16.1" transition-key="%s" transition-magic="0:%d;%s" on_node="n%d" call-id="%d" rc-code="%d" op-status="0" interval="%d" last-rc-change="1700000000" exec-time="10" queue-time="0" op-digest="%s"/>`,
		id, suffix, id, operation, interval, operation, key, code, key, n, call, code, interval, digest)
}

// serverStarts measures how long the server itself takes from its start until it answers: the part of every recovery that no cluster can save.
func (r *run) serverStarts(ctx context.Context, p *Plan) error {
	const at = "127.0.0.1:18077"
	for range 10 {
		cmd := exec.CommandContext(ctx, r.answer, at)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return fault.Errorf(fault.Internal, "start the server: %w", err)
		}
		for {
			c, err := net.DialTimeout("tcp", at, time.Second)
			if err == nil {
				c.Close()
				break
			}
			if time.Since(began) > 5*time.Second {
				break
			}
			if err := pause(ctx, 200*time.Microsecond); err != nil {
				break
			}
		}
		p.ServerRun = append(p.ServerRun, ms(time.Since(began)))
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return nil
}
