package main

import (
	"fmt"
	"strings"
)

// The targets that the product is measured by.
const (
	targetDeath     = 1000 // ms, default profile
	targetDeathFast = 400  // ms, profile fast
	targetProcess   = 50   // ms and the server's own start
	targetMove      = 100  // ms and the server's own stop and start
	targetFenced    = 50   // ms from the daemon's death until its services are fenced
	targetElsewhere = 300  // ms from there until they run elsewhere
	targetPlan      = 50   // ms, nothing runs yet
	targetPlanLost  = 20   // ms, after the loss of a node
	targetPlanRatio = 100
	targetCPU       = 1  // % of a core
	targetRSS       = 80 // MiB
)

const (
	ours     = "Redoubt"
	oursFast = "Redoubt fast"
)

// targets compares the results with what was promised. Judged is the worst repetition; one that is met only in the median says so.
func targets(all results) []target {
	start := summarize(all.plan.ServerRun).Median
	line := func(what string, s Summary, limit float64) target { return target{what, s.String(), judge(s, limit)} }
	list := []target{
		line(fmt.Sprintf("a node dies: away less than %d ms, profile default", targetDeath), all.value(ours, trialDeath, valueGap), targetDeath),
		line(fmt.Sprintf("a node dies: away less than %d ms, profile fast", targetDeathFast), all.value(oursFast, trialDeath, valueGap), targetDeathFast),
	}
	for _, profile := range []string{ours, oursFast} {
		list = append(list,
			line(fmt.Sprintf("a process dies: answers again within %d ms and its own start of %s ms, %s", targetProcess, number(start), profileName(profile)),
				all.value(profile, trialProcess, valueGap), targetProcess+start),
			line(fmt.Sprintf("planned move: away less than %d ms and the service's own start of %s ms, %s", targetMove, number(start), profileName(profile)),
				all.value(profile, trialMove, valueGap), targetMove+start),
			line(fmt.Sprintf("the daemon dies: services fenced within %d ms, %s", targetFenced, profileName(profile)), all.value(profile, trialDaemon, valueOld), targetFenced),
			line(fmt.Sprintf("the daemon dies: running elsewhere within %d ms, %s", targetElsewhere, profileName(profile)), all.value(profile, trialDaemon, valueNew), targetElsewhere),
		)
	}
	full, down, released := summarize(all.plan.Full), summarize(all.plan.NodeDown), summarize(all.plan.Released)
	list = append(list,
		line(fmt.Sprintf("placement of %v, nothing runs yet: less than %d ms", planSize, targetPlan), full, targetPlan),
		line(fmt.Sprintf("placement of %v, a node is lost: less than %d ms", planSize, targetPlanLost), down, targetPlanLost),
		line(fmt.Sprintf("placement of %v, its services may start elsewhere: less than %d ms", planSize, targetPlanLost), released, targetPlanLost),
		// The two come one after the other, up to a lease apart: nothing waits for both, but the target speaks of the death as a whole.
		line(fmt.Sprintf("placement of %v, both of these together: less than %d ms", planSize, targetPlanLost), sum(down, released), targetPlanLost),
		planTarget("nothing runs yet", full, summarize(all.plan.SimulateFull)),
		planTarget("after the loss of a node, both plans", sum(down, released), summarize(all.plan.Simulate)))
	for _, profile := range []string{ours, oursFast} {
		list = append(list,
			line(fmt.Sprintf("idle node: less than %d %% of a core, %s", targetCPU, profileName(profile)), all.idle(profile, func(i Idle) float64 { return i.CPU }), targetCPU),
			line(fmt.Sprintf("idle node: less than %d MiB resident, %s", targetRSS, profileName(profile)), all.idle(profile, func(i Idle) float64 { return i.RSS }), targetRSS),
		)
	}
	return append(list, doubleTarget(all))
}

func profileName(system string) string {
	if system == oursFast {
		return "profile fast"
	}
	return "profile default"
}

// sum is one after the other.
func sum(a, b Summary) Summary {
	return Summary{N: min(a.N, b.N), Min: a.Min + b.Min, Median: a.Median + b.Median, Max: a.Max + b.Max}
}

func planTarget(when string, ours, peer Summary) target {
	t := target{What: fmt.Sprintf("placement, %s: at least %d times faster than crm_simulate", when, targetPlanRatio), Measured: ratio(ours, peer), Verdict: unmeasured}
	if ours.N > 0 && peer.N > 0 {
		t.Verdict = notMet
		if peer.Median >= targetPlanRatio*ours.Median {
			t.Verdict = met
		}
	}
	return t
}

// doubleTarget looks at every repetition of every trial.
func doubleTarget(all results) target {
	t := target{What: "nobody ever serves twice, in any trial", Verdict: unmeasured}
	total, seen, where := 0, 0, []string{}
	for _, s := range specs() {
		if s.kind != "redoubt" {
			continue
		}
		for _, tr := range s.make(&run{}).trials() {
			twice, n := all.double(s.name, tr.name)
			total, seen = total+twice, seen+n
			if twice > 0 {
				where = append(where, fmt.Sprintf("%s %d of %d (%s)", tr.name, twice, n, profileName(s.name)))
			}
		}
	}
	if seen == 0 {
		return t
	}
	t.Measured, t.Verdict = fmt.Sprintf("%d of %d", total, seen), met
	if total > 0 {
		t.Measured, t.Verdict = t.Measured+": "+strings.Join(where, ", "), notMet
	}
	return t
}
