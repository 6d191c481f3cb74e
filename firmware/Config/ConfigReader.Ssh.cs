using System.IO;

namespace NasFirmware.Config;

sealed partial class ConfigReader
{
    /// <summary>The other end of a mirror: a PFS of a box, or one of a machine that is reached over ssh.</summary>
    MirrorEnd ReadTo(ConfigSection section, Settings settings, bool broken, out SshTarget? ssh)
    {
        ssh = null;
        if (!section.IsText("to", SshTarget.IsMeant))
        {
            foreach (string key in new[] { "identity", "command" })
            {
                if (section.Has(key)) section.Report(key, "only for a mirror over ssh (to = \"ssh://...\")");
            }
            // Known keys all the same: one mistake, one message.
            section.OptionalText("identity");
            section.OptionalText("command");
            return ReadEnd(section, "to", broken);
        }
        string to = section.Text("to", "", t => SshTarget.TryParse(t, out _) ? null
            : $"\"{t}\" is not ssh://[USER@]HOST[:PORT]/PATH, without ' ! and \\ in PATH");
        string own = Path.Combine(settings.Box.State, SshTarget.Folder, "id_ed25519");
        string identity = section.Text("identity", own, CheckAbsolute);
        string command = section.Text("command", "hammer", SshTarget.CheckWord);
        if (SshTarget.TryParse(to, out SshTarget? target))
        {
            ssh = target! with
            {
                Identity = identity, Command = command,
                KnownHosts = Path.Combine(settings.Box.State, SshTarget.Folder, "known_hosts"),
            };
        }
        return new MirrorEnd("", "", "");
    }
}
