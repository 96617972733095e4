package appuser

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/internal/cli"
	"redoubt/internal/descend"
	"redoubt/internal/fault"
)

// RunAs is the command redoubt run-as.
func RunAs(env cli.Env) *cobra.Command {
	q := question{}
	var set []string
	var dir, umask string
	c := &cobra.Command{
		Use: "run-as [-R RESOURCE] [-U USERNAME] [-d DIR] [-m UMASK] [-e NAME[=VALUE]]... COMMAND [ARGUMENT...]", Short: "Run a program of an application as its user",
		Example: "redoubt run-as -R db /opt/db/bin/server --port 5432", Hidden: true, DisableFlagsInUseLine: true,
		Long: "Run a program of an application as the user that scha_check_app_user names, without any privilege: no capabilities, no_new_privs, the user's groups\n" +
			"only, no descriptors but the first three. It gets HOME, USER, LOGNAME, SHELL and PATH for the user, LANG, LC_*, TZ and REDOUBT_* as they are, and\n" +
			"what -e names; nothing else. Resource limits and the cgroup stay. For agents: with -R it runs only within that resource's cgroup.\n" +
			"A program that has to run as root (its owner, or by COMPATIBILITY) keeps root's privileges.",
	}
	q.flags(c)
	c.Flags().StringVarP(&dir, "directory", "d", "/", "the directory to run in")
	c.Flags().StringVarP(&umask, "umask", "m", "022", "the mask of new files' modes, in octal")
	c.Flags().StringArrayVarP(&set, "environment", "e", nil, "a variable to set or, without a value, to hand on")
	c.Flags().SetInterspersed(false)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cli.UsageErrorf("", "redoubt run-as needs a program to run")
		}
		mask, err := strconv.ParseUint(umask, 8, 9)
		if err != nil {
			return cli.UsageErrorf("", "-m %s is no mask: three octal digits", umask)
		}
		if os.Geteuid() != 0 {
			return fault.Errorf(fault.Denied, "run-as is for methods, which run as root")
		}
		q.path = args[0]
		if q.resource != "" {
			if err := within(q.resource); err != nil {
				return err
			}
		}
		u, err := q.choose(c, env)
		if err != nil {
			return err
		}
		return become(descend.Spec{
			UID: u.UID, GID: u.GID, Groups: u.Groups, Path: q.path, Args: args, Env: environment(os.Environ(), set, u), Dir: dir, Umask: int(mask),
		})
	}
	return c
}

// within refuses to run outside of the resource's cgroup, where nothing would ever end what is started.
func within(resource string) error {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fault.Errorf(fault.Internal, "find the cgroup of this process: %w", err)
	}
	return inCgroup(string(b), resource)
}

// inCgroup looks for the resource in the text of /proc/PID/cgroup. What runs beside a service has the resource's name with "~" and a word.
func inCgroup(text, resource string) error {
	for line := range strings.Lines(text) {
		place, unified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !unified {
			continue
		}
		parts := strings.Split(place, "/")
		for i := 1; i < len(parts); i++ {
			name, _, _ := strings.Cut(strings.TrimPrefix(parts[i], "rs-"), "~")
			if strings.HasPrefix(parts[i-1], "rg-") && strings.HasPrefix(parts[i], "rs-") && name == resource {
				return nil
			}
		}
	}
	return fault.Errorf(fault.Precondition, "run-as -R %s: this process does not run for resource %s (%s); call it from a method of the resource, or name the user with -U", resource, resource, fmt.Sprintf("its cgroups are %q", text))
}
