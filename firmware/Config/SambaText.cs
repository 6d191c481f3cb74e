using System.IO;
using System.Linq;
using System.Text;

namespace NasFirmware.Config;

/// <summary>The sections of smb.conf for the shares of a box. What belongs to all shares is the system's affair.
/// </summary>
static class SambaText
{
    internal static string Of(Settings settings)
    {
        var text = new StringBuilder();
        foreach (ShareSettings share in settings.Shares)
        {
            VolumeSettings volume = settings.Volumes.First(v => v.Name == share.Volume);
            string path = share.Path.Length == 0 ? volume.Mount : Path.Combine(volume.Mount, share.Path);
            text.Append('[').Append(share.Name).Append("]\n    path = ").Append(path).Append('\n');
            text.Append("    read only = ").Append(share.ReadOnly || volume.ReadOnly ? "yes" : "no").Append('\n');
            text.Append("    guest ok = ").Append(share.Guest ? "yes" : "no").Append('\n');
            // An empty list would mean everybody who has a password. The reader lets none through; nor does this.
            if (!share.Guest && share.Users.Count == 0) text.Append("    available = no\n");
            else if (!share.Guest) text.Append("    valid users = ").AppendJoin(' ', share.Users).Append('\n');
        }
        return text.ToString();
    }
}
