namespace NasFirmware;

static class Program
{
    static int Main() => 0;
}
