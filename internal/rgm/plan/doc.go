// Package plan places all groups at once. Solve is a pure function of one immutable Problem: it gives every group its nodes, says what spoke for and
// against each node that a group could have, and how good the whole is, with a bound that no placement can beat.
//
// # Hard rules
//
// No placement breaks them; a group that finds no place under them stays offline and is named with the reason.
//
//   - A group runs only on nodes of its nodelist that are up and were not refused; on a closed node only if it ran there already or was asked to.
//   - A source of ++ or +++ runs only where its target runs. A target that moves pulls it along; a source that can not follow goes offline.
//     A running target does not move because a ++ source can not run beside it; it does for +++, which delegates the failover.
//   - Two groups joined by -- never share a node. When both can not run, the one of higher priority does; at equal priority the target.
//   - The load of the groups on a node never exceeds a hard limit of it, unless suspended groups alone already do.
//   - A suspended group stays as it is. A running group that is Never preempted leaves its node only after a strong target, or for a group
//     joined by -- that comes there.
//   - An explicit request is carried out before everything else, or refused as a whole; a refused one is treated as if it had not been made.
//
// # Quality
//
// Placements are compared by these figures in turn; a later one decides only between equals in all earlier ones: groups offline, counted by priority from
// the highest down (explicit requests above all); primaries missing, likewise; targets of -- that are offline; groups that were asked to leave and
// stay; soft limits exceeded, by number and then by amount; moves of running groups, weighted by Preemption_mode and priority;
// primaries that a ++ source lacks because its target stays; weak affinities broken;
// imbalance (with Concentrate: nodes that carry load); places in the nodelists. All arithmetic is in integers.
//
// # Algorithm
//
// The construction keeps what runs, as far as the hard rules let it, and puts the others where they cost least, the most important and the largest first, each
// together with the groups that follow it. A group that finds no room makes some by moving or evicting others, if that is better on the whole. Then local
// search relieves soft limits, sends moved groups home, and shifts what is free to move. Groups that share neither load nor affinities form
// independent parts; small parts are then solved exactly by branch and bound. If a part was too large for that, the result is solved again
// as if it ran already, until nothing changes any more.
//
// # Guarantees
//
// The hard rules; the same result for the same Problem; a reason for each group offline. With Result.Exact no placement is better. Otherwise
// Result.Bound says how much better one could be at most. Solving the placed state again changes nothing (Result.Stable). A running group is moved only for a hard rule, a
// request, a group that would stay offline, or a soft limit: never for balance. Without loads and affinities each group is placed as package place would.
//
// What is not guaranteed: that nothing changes when a group that is Never preempted and has strong affinities was driven away, or a suspended one
// was asked to move: what then protects it is not the same the next time; the best placement of a large part; and the bound looks at sums over nodes only, so that it may be lower than what
// can be reached. Dependencies between resources play no part: they order starts, not places.
package plan
