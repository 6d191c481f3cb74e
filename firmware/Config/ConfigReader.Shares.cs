namespace NasFirmware.Config;

// [shares.NAME]: folders of a volume that Samba offers to the network. The daemon takes no notice of them: `config
// samba` prints them, and the card's start puts them in force.
sealed partial class ConfigReader
{
    ShareSettings ReadShare(string name, ConfigSection section, bool broken)
    {
        string? volume = section.OptionalText("volume", CheckName);
        if (!broken && volume is null && !section.Has("volume"))
            _reading.Report(section.Place, $"[{section.Path}] needs volume, the name of a section [volumes.NAME]");
        var share = new ShareSettings
        {
            Name = name,
            Volume = volume ?? "",
            Path = section.Text("path", "", text => text.Length == 0 ? null : CheckSharePath(text)),
            Guest = section.Truth("guest", false),
            Users = section.Texts("users", CheckUser),
            ReadOnly = section.Truth("read-only", false),
        };
        if (!broken) CheckWho(share, section);
        if (name is "global" or "homes" or "printers")
            _reading.Report(section.Place, $"[{section.Path}]: Samba has another use for the name {name}");
        section.End();
        return share;
    }

    // To Samba an empty list of users means everybody who has a password, and a list at a share for guests would shut
    // the guests out: neither is what its writer meant.
    void CheckWho(ShareSettings share, ConfigSection section)
    {
        bool isUnread = (section.Has("guest") && !section.IsTruth("guest"))
            || (section.Has("users") && !section.IsEmptyList("users"));
        if (share.Guest && share.Users.Count > 0)
        {
            section.Report("users", "with guest = true everybody may use the share, without a password; "
                + "take out the one or the other");
        }
        // A value that could not be read was told already.
        if (share.Guest || share.Users.Count > 0 || isUnread) return;
        _reading.Report(section.Place, $"[{section.Path}] needs guest = true or users: otherwise nobody could use it; "
            + "to take a share away remove its section");
    }

    // What stands in a line of smb.conf, where % and quotes have a meaning of their own, and goes through a shell.
    static string? CheckSharePath(string text)
    {
        if (CheckPfsPath(text) is { } wrong) return wrong;
        foreach (char c in text)
        {
            if (char.IsControl(c) || c is '%' or '"' or ';' or '\\' or '$' or '`')
                return $"\"{text}\" has a character that Samba cannot take in a path";
        }
        return null;
    }

    // The accounts of the system are none of a share's.
    static string? CheckUser(string text)
    {
        bool isName = text.Length is > 0 and <= 32 && char.IsAsciiLetterLower(text[0]);
        foreach (char c in text) isName &= char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_';
        return !isName ? $"\"{text}\" is no user's name: small letters, digits, - and _, a letter first, at most 32"
            : text is "root" or "nas" or "nobody" or "daemon" or "sshd" ? $"{text} is an account of the box itself"
            : null;
    }
}
