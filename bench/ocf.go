package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"redoubt/internal/fault"
)

// resourcesXML is the service as Pacemaker keeps it up: an address and a server, in a group.
func resourcesXML(answer string, monitor time.Duration) string {
	return fmt.Sprintf(`<resources><group id="web">
<primitive id="web-ip" class="ocf" provider="heartbeat" type="IPaddr2">
<instance_attributes id="web-ip-a"><nvpair id="web-ip-a1" name="ip" value="%s"/><nvpair id="web-ip-a2" name="cidr_netmask" value="24"/><nvpair id="web-ip-a3" name="nic" value="pub"/></instance_attributes>
<operations><op id="web-ip-m" name="monitor" interval="10s" timeout="20s"/></operations></primitive>
<primitive id="web-server" class="ocf" provider="redoubt-bench" type="answer">
<instance_attributes id="web-a"><nvpair id="web-a1" name="program" value="%s"/><nvpair id="web-a2" name="listen" value="%s"/></instance_attributes>
<meta_attributes id="web-t"><nvpair id="web-t1" name="migration-threshold" value="1000000"/></meta_attributes>
<operations><op id="web-m" name="monitor" interval="%ds" timeout="20s"/></operations></primitive>
</group></resources>
`, address, answer, service, int(monitor.Seconds()))
}

// answerAgent runs the server for Pacemaker.
const answerAgent = `#!/bin/sh
# OCF agent of the benchmarks' server: one process, known by its number in a file.
file=/run/redoubt-bench-answer.pid
runs() {
	[ -s "$file" ] && read -r pid <"$file" && read -r name <"/proc/$pid/comm" && [ "$name" = answer ]
} 2>/dev/null
case "$1" in
start)
	runs && exit 0
	setsid "$OCF_RESKEY_program" "$OCF_RESKEY_listen" </dev/null >/dev/null 2>&1 &
	echo $! >"$file" ;;
stop)
	runs && kill -9 "$pid"
	while runs; do :; done
	rm -f "$file" ;;
monitor|status)
	runs || exit 7 ;;
validate-all)
	[ -x "$OCF_RESKEY_program" ] || exit 5 ;;
meta-data)
	cat <<'END'
<?xml version="1.0"?>
<resource-agent name="answer" version="1.0">
<version>1.0</version>
<longdesc lang="en">Tells the name of its node</longdesc><shortdesc lang="en">Server of the benchmarks</shortdesc>
<parameters>
<parameter name="program" required="1"><longdesc lang="en">Path of the program</longdesc><shortdesc lang="en">Program</shortdesc><content type="string"/></parameter>
<parameter name="listen" required="1"><longdesc lang="en">ADDRESS:PORT to listen on</longdesc><shortdesc lang="en">Address</shortdesc><content type="string"/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s" interval="10s"/>
<action name="validate-all" timeout="5s"/><action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
END
	;;
*)
	exit 3 ;;
esac
`

// layAgents makes a copy of the host's agents with ours beside them, so that the host's own directory stays as it is.
func layAgents(work string) (string, error) {
	dir := filepath.Join(work, "resource.d")
	if out, err := exec.Command("cp", "-a", agentDir, dir).CombinedOutput(); err != nil {
		return "", fault.Errorf(fault.NotFound, "copy the agents of %s: %w: %s; install the package resource-agents", agentDir, err, strings.TrimSpace(string(out)))
	}
	own := filepath.Join(dir, "redoubt-bench")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return "", fault.Errorf(fault.Internal, "agents: %w", err)
	}
	if err := os.WriteFile(filepath.Join(own, "answer"), []byte(answerAgent), 0o755); err != nil {
		return "", fault.Errorf(fault.Internal, "agents: %w", err)
	}
	return dir, nil
}

// setMonitor changes how often Pacemaker looks whether the server runs.
func (s *pacemaker) setMonitor(ctx context.Context, every time.Duration) error {
	path := filepath.Join(s.work, fmt.Sprintf("resources-%d-%v.xml", s.token, every))
	if err := os.WriteFile(path, []byte(resourcesXML(s.answer, every)), 0o644); err != nil {
		return fault.Errorf(fault.Internal, "resources: %w", err)
	}
	_, err := s.lab.Output(ctx, "n1", "cibadmin", "--replace", "-o", "resources", "--xml-file", path)
	return err
}

// slowMonitor is the death of the process when it is looked for every 10 s, as most agents' metadata advise. The monitor is set for the trial alone.
func (s *pacemaker) slowMonitor(ctx context.Context, r *rig, _ string) (Sample, error) {
	if err := s.setMonitor(ctx, 10*time.Second); err != nil {
		return Sample{}, err
	}
	active, err := r.whole(ctx, mendTimeout)
	if err != nil {
		return Sample{}, err
	}
	// Death comes at any moment of the interval.
	if err := pause(ctx, rand.N(10*time.Second)); err != nil {
		return Sample{}, err
	}
	sample, err := processDies(ctx, r, active)
	if e := s.setMonitor(context.WithoutCancel(ctx), time.Second); err == nil {
		err = e
	}
	return sample, err
}
