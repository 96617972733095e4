package e2e_test

import (
	"context"
	"strings"
	"testing"
)

// agentScript is a fence agent that leaves a question beside itself and waits until the test has answered it with an exit status.
const agentScript = `#!/bin/sh
cd /etc/redoubt/agents || exit 1
if [ "$2" = metadata ]; then
	echo '<resource-agent name="fence_e2e"><parameters/><actions><action name="off"/><action name="metadata"/></actions></resource-agent>'
	exit 0
fi
cat > asked
while [ ! -e answer ]; do sleep 0.1; done
read status < answer
exit "$status"
`

// shell runs a line on a node and reports whether it succeeded.
func (w *world) shell(t *testing.T, node, line string) bool {
	t.Helper()
	_, err := w.Output(t.Context(), node, "sh", "-c", line)
	return err == nil
}

// A machine that froze whole, guard and all, may thaw and go on. With a fence agent nothing of it is taken over before the agent has confirmed that it is off: not while the
// agent works, not after it has failed.
func TestFrozenNodeIsFencedFirst(t *testing.T) {
	w := use(t, "e2e")
	for _, n := range w.Nodes() {
		if !w.shell(t, n, "mkdir -p -m 755 /etc/redoubt/agents && cd /etc/redoubt/agents && rm -f asked answer && cat > fence_e2e <<'END' && chmod 755 fence_e2e\n"+agentScript+"END\n") {
			t.Fatal("the agent could not be written on " + n)
		}
		w.reconfigure(t, n, "test: {fenceAgents: /etc/redoubt/agents}")
	}
	const lost = "n1"
	w.web(t, lost)
	w.do(t, lost, "node", "set-fence", "-a", "fence_e2e", lost)
	t.Cleanup(func() {
		if out, err := w.try(context.WithoutCancel(t.Context()), "n2", "node", "clear-fence", "-y", lost); err != nil {
			t.Error(out, err)
		}
	})
	others := []string{"n2", "n3"}
	question := func() (asks string) {
		eventually(t, func() string {
			for _, n := range others {
				if w.shell(t, n, "test -e /etc/redoubt/agents/asked") {
					asks = n
					return ""
				}
			}
			return "nobody asks the agent of " + lost
		})
		return asks
	}
	waiting := func(what string) {
		t.Helper()
		eventually(t, func() string {
			for _, n := range w.status(t, "n2").Nodes {
				if n.Name == lost && n.State == "leaving" && strings.Contains(n.Why, what) {
					return ""
				}
			}
			return lost + " does not wait: " + what
		})
		if at := w.whereWeb(t, "n2"); at != "" && at != lost {
			t.Fatalf("web-rg is online on %s, and no agent has confirmed that %s is off", at, lost)
		}
	}
	p := w.watch(t)
	if err := w.Pause(lost); err != nil {
		t.Fatal(err)
	}
	asks := question()
	waiting("until its fence agent fence_e2e has confirmed that it is off")
	w.shell(t, asks, "echo 1 > /etc/redoubt/agents/answer")
	waiting("the agent has failed once, on node " + asks)
	w.shell(t, asks, "cd /etc/redoubt/agents && rm -f asked answer")
	asks = question()
	if _, err := w.Kill(lost); err != nil {
		t.Fatal(err)
	}
	waiting("until its fence agent fence_e2e has confirmed that it is off")
	w.shell(t, asks, "echo 0 > /etc/redoubt/agents/answer")
	eventually(t, func() string {
		if at := w.whereWeb(t, "n2"); at != "n2" && at != "n3" {
			return "web-rg is online on " + at
		}
		return ""
	})
	p.stop(t)
	w.mend(t)
}
